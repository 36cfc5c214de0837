/** As much of a document as the modules that make controls need: elements that keep what they are given, and events. */

class Part extends EventTarget {
  constructor(tag) {
    super();
    this.tagName = tag.toUpperCase();
    this.children = [];
    this.attributes = new Map();
    this.own = "";
    this.hidden = this.disabled = this.checked = false;
    this.written = "";
  }

  append(...children) { this.children.push(...children); }

  replaceChildren(...children) {
    this.children = children;
    if (this.tagName === "SELECT") this.written = this.options[0]?.getAttribute("value") ?? "";
  }

  setAttribute(name, value) {
    this.attributes.set(name, String(value));
    if (name === "disabled" || name === "hidden") this[name] = true;
  }

  getAttribute(name) { return this.attributes.get(name) ?? null; }

  toggleAttribute(name, on) {
    if (on) this.setAttribute(name, "");
    else this.attributes.delete(name);
  }

  get textContent() { return this.own + this.children.map((child) => child.textContent ?? child).join(""); }
  set textContent(text) { this.own = text; this.children = []; }

  /** Of a list of choices. */
  get options() { return this.all((part) => part.tagName === "OPTION"); }

  get value() { return this.written; }
  set value(value) {
    const there = this.tagName !== "SELECT" || this.options.some((option) => option.getAttribute("value") === String(value));
    this.written = there ? String(value) : ""; // as a browser does it
  }

  get valueAsNumber() { return this.written === "" ? NaN : Number(this.written); }

  all(true_) { return this.children.flatMap((child) => (child instanceof Part ? [...(true_(child) ? [child] : []), ...child.all(true_)] : [])); }

  focus() { document.activeElement = this; }

  blur() {
    document.activeElement = null;
    this.dispatchEvent(new Event("blur"));
  }

  /** What a user does to it: write or choose a value, and leave it at that. */
  enter(value, event = "change") {
    if (typeof value === "boolean") this.checked = value;
    else this.value = value;
    this.dispatchEvent(new Event(event));
  }

  click() { if (!this.disabled) this.dispatchEvent(new Event("click")); }
}

globalThis.document = {
  activeElement: null,
  createElement: (tag) => new Part(tag),
  createElementNS: (_, tag) => new Part(tag),
};

/** The part of `element` that people know by this label, or by what is written on it. */
export function named(element, name) {
  const found = element.all((part) => part.getAttribute("aria-label") === name || (part.tagName === "BUTTON" && part.textContent === name));
  if (found.length !== 1) throw new Error(`${found.length} parts are called ${name}`);
  return found[0];
}
