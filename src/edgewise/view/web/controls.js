/** Labelled controls that show what is, unless somebody is just writing in them. */

import { make } from "./dom.js";
import { printable, short } from "./numbers.js";

export const OPTIONS_AT_MOST = 2000;
const SENT_PER_SECOND = 15;

/**
 * @typedef {{element: HTMLElement, input: any, show: (value: any) => void}} Control
 * `show` gives it the value of now
 */

/** @param {string} label @param {any} input @param {(value: any) => void} put puts a value into the input */
function labelled(label, input, put) {
  let now = /** @type {any} */ (undefined);
  input.addEventListener("blur", () => put(now));
  input.setAttribute("aria-label", label); // the options of a choice are no part of its name
  return {
    element: make("label", { class: "ew-field" }, make("span", { text: label }), input),
    input,
    show: (/** @type {any} */ value) => {
      now = value;
      if (document.activeElement !== input) put(value);
    },
  };
}

/** A number as one may write it. @param {number} value */
function writable(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : "";
}

/**
 * A field for a number; what is no number is not sent.
 * @param {string} label @param {(value: number) => void} sent @param {Object<string, any>} [attributes]
 * @returns {Control}
 */
export function numberField(label, sent, attributes = {}) {
  const input = make("input", { type: "number", step: "any", ...attributes });
  input.addEventListener("change", () => {
    if (input.value !== "" && Number.isFinite(input.valueAsNumber)) sent(input.valueAsNumber);
  });
  return labelled(label, input, (value) => { input.value = value === undefined ? "" : writable(value); });
}

/**
 * A field for a number with a slider beside it, which sends while it is moved.
 * @param {string} label @param {(value: number) => void} sent
 * @returns {Control}
 */
export function sliderField(label, sent) {
  const field = numberField(label, sent);
  const slider = make("input", { type: "range", min: -3, max: 3, step: 0.01, "aria-label": `${label}, slider` });
  let last = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  slider.addEventListener("input", () => {
    clearTimeout(timer);
    const wait = Math.max(0, last + 1000 / SENT_PER_SECOND - performance.now());
    timer = setTimeout(() => {
      last = performance.now();
      sent(slider.valueAsNumber);
    }, wait);
  });
  return {
    element: make("div", { class: "ew-slider" }, field.element, slider),
    input: field.input,
    show: (value) => {
      field.show(value);
      if (document.activeElement === slider) return;
      const reach = Math.max(3, Math.ceil(Math.abs(value)));
      slider.min = String(-reach);
      slider.max = String(reach);
      slider.value = String(value);
    },
  };
}

/** A field for text. @param {string} label @param {((value: string) => void) | null} sent @returns {Control} */
export function textField(label, sent, attributes = {}) {
  const input = make("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  if (sent) input.addEventListener("change", () => sent(input.value));
  return labelled(label, input, (value) => { if (value !== undefined) input.value = value; });
}

/** A box to tick. @param {string} label @param {(on: boolean) => void} sent @returns {Control} */
export function tickBox(label, sent) {
  const input = make("input", { type: "checkbox" });
  input.addEventListener("change", () => sent(input.checked));
  return {
    element: make("label", { class: "ew-tick" }, input, make("span", { text: label })),
    input,
    show: (value) => { input.checked = Boolean(value); },
  };
}

/**
 * A choice; `offer` says of what, as [value, label] in groups by their heading.
 * @param {string} label @param {((value: string) => void) | null} sent
 * @returns {Control & {offer: (groups: Object<string, [string, string][]>) => void}}
 */
export function choice(label, sent) {
  const input = make("select");
  let offered = "";
  if (sent) input.addEventListener("change", () => sent(input.value));
  const control = labelled(label, input, (value) => { if (value !== undefined) input.value = value; });
  return {
    ...control,
    offer: (groups) => {
      const key = JSON.stringify(groups);
      if (key === offered) return;
      offered = key;
      const chosen = input.value;
      const option = (/** @type {[string, string]} */ [value, text]) => make("option", { value, text });
      input.replaceChildren(
        ...Object.entries(groups).flatMap(([heading, entries]) => {
          const options = entries.slice(0, OPTIONS_AT_MOST).map(option);
          return heading ? [make("optgroup", { label: heading }, ...options)] : options;
        }),
      );
      if (groups && Object.values(groups).some((entries) => entries.some(([value]) => value === chosen))) {
        input.value = chosen;
      }
    },
  };
}

/** Names as a choice offers them. @param {Iterable<string>} names @returns {[string, string][]} */
export function asOptions(names) {
  return Array.from(names, (name) => [name, printable(short(name, 28))]);
}

/** @param {string} text @param {() => void} pressed @param {Object<string, any>} [attributes] */
export function button(text, pressed, attributes = {}) {
  return make("button", { type: "button", onclick: pressed, text, ...attributes });
}

/** Controls that belong together. @param {string} legend @param {...(Node | null)} content */
export function group(legend, ...content) {
  return make("fieldset", {}, make("legend", { text: legend }), ...content);
}
