/** Tools for what is asked of the network: the target or the loss, what is put in, what is wanted. */

import { asOptions, button, choice, group, numberField } from "./controls.js";
import { make } from "./dom.js";
import { printable, short } from "./numbers.js";

const FIELDS_AT_MOST = 64;

/** @param {import("./asking.js").Ask} ask @returns {import("./structure_tools.js").Tools} */
export function targetTools(ask) {
  const target = choice("Target", (word) => {
    const at = word.indexOf(":");
    if (word.startsWith("loss:")) ask("set_loss", { loss: word.slice(at + 1) });
    else ask("set_target", { node: word.slice(at + 1) });
  });
  const marked = (/** @type {string} */ mark, /** @type {string[]} */ names) =>
    asOptions(names).map(([value, text]) => /** @type {[string, string]} */ ([`${mark}:${value}`, text]));
  return {
    element: target.element,
    update: (graph, play) => {
      target.offer({ "loss J": marked("loss", play.choices.loss), "node t": marked("node", graph.names) });
      target.show(play.loss === null ? `node:${play.target}` : `loss:${play.loss}`);
    },
  };
}

/** The sample that is looked at: its inputs, and what is wanted of the outputs.
 * @param {import("./asking.js").Ask} ask @param {import("./looking.js").Looking} looking
 * @returns {import("./structure_tools.js").Tools & {close: () => void}} */
export function sampleTools(ask, looking) {
  /** @type {[any, any]} */ let last = [null, null];
  /** @type {number | null} one that was added, to be looked at as soon as it is there */ let added = null;
  const there = (/** @type {number} */ sample) => Math.max(0, Math.min(sample, last[1].x.length - 1));
  const which = numberField("Sample", (value) => {
    looking.set(there(Math.round(value) - 1));
    tools.update(...last); // what was written may be none
  }, { step: 1, min: 1 });
  const stop = looking.subscribe(() => { if (last[1]) tools.update(...last); });
  const of = make("span", { class: "ew-hint" });
  const [put, wanted] = [make("div", { class: "ew-row ew-values" }), make("div", { class: "ew-row ew-values" })];
  const [putIn, want] = [fields(put, "Inputs"), fields(wanted, "Wanted")];
  const aim = choice("Class", (name) => ask("set_wanted", { sample: looking.sample, node: name, value: 1 }));
  const target = targetTools(ask);
  const tools = {
    element: group(
      "Samples",
      make(
        "div", { class: "ew-row" }, target.element, which.element, of,
        button("Add sample", () => {
          ask("add_sample", { like: looking.sample });
          added = last[1].x.length;
        }),
        button("Remove sample", () => ask("remove_sample", { sample: looking.sample })),
      ),
      put, aim.element, wanted,
    ),
    update: (/** @type {any} */ graph, /** @type {any} */ play) => {
      last = [graph, play];
      const shownSamples = play.x.length;
      if (added !== null && added < shownSamples) {
        const now = added;
        added = null;
        looking.set(now);
      }
      const sample = there(looking.sample);
      target.update(graph, play);
      which.input.max = String(shownSamples);
      which.show(sample + 1);
      of.textContent = shownSamples < play.n_samples ? `of the first ${shownSamples} of ${play.n_samples}` : `of ${play.n_samples}`;
      const names = (/** @type {Iterable<number>} */ nodes) => Array.from(nodes, (j) => graph.names[j]);
      putIn(names(graph.inputs), play.x[sample] ?? [], (node, value) => ask("set_value", { sample, node, value }));
      const [byClass, byNumber] = [play.loss !== null && play.outputs_wanted === "class", play.loss !== null && play.outputs_wanted === "number"];
      aim.element.hidden = !byClass;
      wanted.hidden = !byNumber;
      const outputs = names(graph.outputs);
      if (byClass) {
        aim.offer({ "": asOptions(outputs) });
        aim.show(outputs[play.y[sample]]);
      } else if (byNumber) {
        want(outputs, play.y[sample], (node, value) => ask("set_wanted", { sample, node, value }));
      }
    },
    close: () => void stop(),
  };
  return tools;
}

/** Fields for the numbers of some nodes, made anew when these are others.
 * @param {HTMLElement} row @param {string} heading */
function fields(row, heading) {
  /** @type {string[]} */ let names = [];
  /** @type {import("./controls.js").Control[]} */ let made = [];
  /** @type {(node: string, value: number) => void} */ let send = () => {};
  return (/** @type {string[]} */ now, /** @type {number[]} */ values, /** @type {(node: string, value: number) => void} */ sent) => {
    send = sent;
    if (now.length !== names.length || now.some((name, k) => name !== names[k])) {
      names = now;
      made = now.slice(0, FIELDS_AT_MOST).map((name) => numberField(printable(short(name, 20)), (value) => send(name, value)));
      const more = now.length - made.length;
      row.replaceChildren(
        make("span", { class: "ew-hint", text: heading }), ...made.map((field) => field.element),
        ...(more > 0 ? [make("span", { class: "ew-hint", text: `and ${more} more` })] : []),
      );
    }
    made.forEach((field, k) => field.show(values[k]));
  };
}
