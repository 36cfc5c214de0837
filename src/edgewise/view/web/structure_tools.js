/** Tools for nodes and arcs: what is chosen, what can be added. */

import { OPTIONS_AT_MOST, asOptions, button, choice, group, numberField, sliderField, textField, tickBox } from "./controls.js";
import { make } from "./dom.js";
import { printable, short } from "./numbers.js";

/**
 * @typedef {import("./asking.js").Ask} Ask
 * @typedef {import("./graph.js").Graph} Graph
 * @typedef {import("./selection.js").Selection} Selection
 * @typedef {{element: HTMLElement, update: (graph: Graph, play: any) => void}} Tools
 */

/** Tools for the one node that is chosen. @param {Ask} ask @param {Selection} selection @returns {Tools} */
function nodeTools(ask, selection) {
  let name = "";
  const send = (/** @type {string} */ action, /** @type {string} */ field) =>
    (/** @type {any} */ value) => ask(action, { node: name, [field]: value });
  const called = textField("Name", (value) => value && value !== name && ask("rename", { node: name, name: value }));
  const activation = choice("Activation", send("set_activation", "activation"));
  const aggregation = choice("Aggregation", send("set_aggregation", "aggregation"));
  const bias = sliderField("Bias", send("set_bias", "value"));
  const response = numberField("Response", send("set_response", "value"));
  const input = tickBox("Input", send("set_input", "on"));
  const output = tickBox("Output", send("set_output", "on"));
  const ofNeurons = [activation, aggregation, bias, response];
  return {
    element: make(
      "div", { class: "ew-row" }, called.element, ...ofNeurons.map((control) => control.element), input.element,
      output.element,
      button("Make it the target", () => ask("set_target", { node: name })),
      button("Delete node", () => ask("remove_node", { node: name })),
    ),
    update: (graph, play) => {
      const j = /** @type {number} */ (selection.node);
      name = graph.names[j];
      called.show(name);
      activation.offer({ "": asOptions(play.choices.activation) });
      activation.show(graph.activations[j].name);
      aggregation.offer({ "": asOptions(play.choices.aggregation) });
      aggregation.show(graph.aggregations[j]);
      bias.show(graph.bias[j]);
      response.show(graph.response[j]);
      input.show(graph.isInput.has(j));
      output.show(graph.isOutput.has(j));
      for (const control of ofNeurons) control.element.hidden = graph.isInput.has(j);
    },
  };
}

/** Tools for the one arc that is chosen. @param {Ask} ask @param {Selection} selection @returns {Tools} */
function arcTools(ask, selection) {
  let arc = {};
  const weight = sliderField("Weight", (value) => ask("set_weight", { ...arc, value }));
  return {
    element: make("div", { class: "ew-row" }, weight.element, button("Delete arc", () => ask("remove_arc", arc))),
    update: (graph) => {
      const e = /** @type {number} */ (selection.arc);
      arc = { edge: e, tail: graph.names[graph.tail[e]], head: graph.names[graph.head[e]] };
      weight.show(graph.weight[e]);
    },
  };
}

/** Tools for what is chosen, if it is one thing. @param {Ask} ask @param {Selection} selection @returns {Tools} */
export function chosenTools(ask, selection) {
  const heading = make("legend", { text: "Chosen" });
  const hint = make("p", { class: "ew-hint", text: "Choose here, or click a node or an arc in the drawing." });
  const which = choice("Node or arc", (word) => {
    const [mark, k] = word.split(":");
    selection.set(mark === "node" ? { nodes: [Number(k)] } : mark === "arc" ? { arcs: [Number(k)] } : {});
  });
  const node = nodeTools(ask, selection);
  const arc = arcTools(ask, selection);
  return {
    element: make("fieldset", {}, heading, which.element, hint, node.element, arc.element),
    update: (graph, play) => {
      const [j, e] = [selection.node, selection.arc];
      const ends = (/** @type {number} */ k) => `${graph.names[graph.tail[k]]} → ${graph.names[graph.head[k]]}`;
      const marked = (/** @type {string} */ mark, /** @type {string[]} */ texts) =>
        texts.map((text, k) => /** @type {[string, string]} */ ([`${mark}:${k}`, printable(short(text, 48))]));
      const arcs = Array.from(graph.tail.slice(0, OPTIONS_AT_MOST), (_, k) => ends(k));
      which.offer({ "": [["", "none"]], nodes: marked("node", graph.names.slice(0, OPTIONS_AT_MOST)), arcs: marked("arc", arcs) });
      which.show(j !== null ? `node:${j}` : e !== null ? `arc:${e}` : "");
      node.element.hidden = j === null;
      arc.element.hidden = e === null;
      hint.hidden = j !== null || e !== null;
      heading.textContent = j !== null ? `Node ${printable(short(graph.names[j], 28))}`
        : e !== null ? `Arc ${printable(short(ends(e), 48))}` : "Chosen";
      if (j !== null) node.update(graph, play);
      if (e !== null) arc.update(graph, play);
    },
  };
}

/** Tools that add a node, or an arc between the two that were chosen last.
 * @param {Ask} ask @param {Selection} selection @returns {Tools & {close: () => void}} */
export function addTools(ask, selection) {
  const [kind, activation, name] = [choice("Kind", null), choice("Activation", null), textField("Name", null)];
  name.input.placeholder = "the next free one";
  kind.offer({ "": [["hidden", "hidden"], ["input", "input"], ["output", "output"]] });
  const [tail, head, weight] = [choice("From", null), choice("To", null), numberField("Weight", (value) => weight.show(value))];
  weight.input.value = "1";
  weight.show(1);
  /** @type {Graph | null} */ let graph = null;
  /** @type {string | null} */ let before = null;
  const stop = selection.subscribe(() => {
    if (selection.node === null || graph === null) return;
    const now = graph.names[selection.node];
    if (before !== null && before !== now) {
      tail.input.value = before;
      head.input.value = now;
    }
    before = now;
  });
  const add = () => {
    ask("add_node", {
      kind: kind.input.value, activation: activation.input.value, ...(name.input.value ? { name: name.input.value } : {}),
    });
    name.input.value = "";
  };
  const connect = () => {
    const number = Number.isFinite(weight.input.valueAsNumber) ? weight.input.valueAsNumber : 1;
    ask("add_arc", { tail: tail.input.value, head: head.input.value, weight: number });
  };
  return {
    element: group(
      "Add",
      make("div", { class: "ew-row" }, kind.element, activation.element, name.element, button("Add node", add)),
      make("div", { class: "ew-row" }, tail.element, head.element, weight.element, button("Connect", connect)),
    ),
    update: (now, play) => {
      graph = now;
      if (activation.input.options.length === 0) {
        activation.offer({ "": asOptions(play.choices.activation) });
        activation.input.value = "tanh";
      }
      for (const end of [tail, head]) end.offer({ "": asOptions(graph.names) });
    },
    close: stop,
  };
}
