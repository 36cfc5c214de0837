/** The top of a report: what it is of, and a bar that says what is chosen. */

import { make } from "./dom.js";
import { namesOf } from "./graph.js";
import { counted, plural, short, shown } from "./numbers.js";
import { real } from "./charts.js";

const NAMED = 4;

/** @param {import("./view.js").Context} context */
export function summarySection() {
  const element = make("section", { class: "ew-section ew-summary", "aria-label": "Summary" });
  return {
    element,
    /** @param {any} data */
    update({ report, network }) {
      const facts = [...report.facts];
      if (report.n_samples) facts.push(["samples", counted(report.n_samples)]);
      if (report.loss !== null && report.loss !== undefined) facts.push(["mean loss", shown(real(report.loss))]);
      facts.push(["network", `${plural(network.bias.shape[0], "node")}, ${plural(network.tail.shape[0], "arc")}`]);
      element.replaceChildren(
        make("dl", { class: "ew-facts" }, ...facts.map(([name, told]) =>
          make("div", {}, make("dt", { text: short(name, 80) }), make("dd", { text: short(told, 200), dir: "auto" })))),
      );
    },
    close() {},
  };
}

/** @param {import("./view.js").Context} context */
export function chosenSection({ selection }) {
  const words = make("span", { role: "status", "aria-live": "polite" });
  const clear = make("button", { type: "button", class: "ew-button", text: "Clear", onclick: () => selection.set({}) });
  const element = make("section", { class: "ew-chosen", "aria-label": "What is chosen", hidden: true }, words, clear);
  /** @type {string[]} */ let names = [];

  function tell() {
    const { nodes, arcs } = selection;
    element.hidden = nodes.size + arcs.size === 0;
    const some = Array.from(nodes).slice(0, NAMED).map((j) => short(names[j]));
    const parts = [];
    if (nodes.size) parts.push(`${plural(nodes.size, "node")} chosen: ${some.join(", ")}${nodes.size > NAMED ? ", …" : ""}`);
    if (arcs.size) parts.push(`${plural(arcs.size, "arc")} chosen`);
    words.textContent = parts.join("; ");
  }
  const end = selection.subscribe(tell);
  return {
    element,
    /** @param {any} data */
    update(data) {
      names = namesOf(data.network);
      tell();
    },
    close: () => void end(),
  };
}
