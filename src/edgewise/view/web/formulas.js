/** The equations of one node or one arc, with their numbers. */

import { backwardTerms, factors, forwardTerms, openness, tied } from "./arithmetic.js";
import { make } from "./dom.js";
import { factor, plural, printable, short, shown } from "./numbers.js";

/** So many terms of a sum are written out. */
export const MOST_TERMS = 10;
const LONGEST = 24;
const SYMBOLS = { sum: "Σ", product: "∏", mean: "mean", max: "max", min: "min", maxabs: "maxabs", median: "median" };

/**
 * @typedef {object} About
 * @property {import("./graph.js").Graph} graph
 * @property {import("./passes.js").Pass} pass
 * @property {import("./passes.js").Moment} moment
 * @property {(chosen: {nodes?: number[], arcs?: number[]}) => void} choose
 */

/** Everything that is known of a node. @param {About} about @param {number} j
 * @param {"forward" | "backward" | "both"} phase @returns {HTMLElement[]} */
export function nodeFormulas(about, j, phase) {
  const parts = [heading(about, j)];
  if (phase !== "backward") parts.push(...forward(about, j));
  if (phase !== "forward") parts.push(...backward(about, j));
  return parts;
}

/** @param {About} about @param {number} j */
function heading({ graph }, j) {
  const kind = graph.isInput.has(j) ? "input" : `${graph.activations[j].name}${graph.isOutput.has(j) ? ", output" : ""}`;
  return make("h3", {}, make("bdi", { text: short(graph.names[j], 60) }),
    make("small", { text: ` ${kind}, level ${graph.level[j]}` }));
}

/** @param {About} about @param {number} j @returns {HTMLElement[]} */
function forward(about, j) {
  const { graph, moment } = about;
  const name = short(graph.names[j], LONGEST);
  if (graph.isInput.has(j)) return [line(`y(${name}) = ${shown(moment.value[j])}`, "an input: the number put in")];
  const aggregation = graph.aggregations[j];
  const activation = graph.activations[j];
  const [s, y, gate] = [moment.preactivation[j], moment.value[j], moment.gate[j]];
  const [bias, response] = [moment.bias[j], moment.response[j]];
  const terms = forwardTerms(graph, moment, j);
  const scaled = response === 1 ? "" : "r·";
  const parts = [line(`s(${name}) = ${scaled}${SYMBOLS[aggregation]} w·y + b`)];
  const rows = terms.map((term) => ({ ...term, factors: [term.weight, term.value] }));
  parts.push(termTable(about, "from", ["w", "y"], rows, aggregation));
  const aggregate = rows.length <= MOST_TERMS && aggregation === "sum" && rows.length
    ? rows.map((row) => factor(row.product)).join(" + ")
    : `${SYMBOLS[aggregation]} of ${plural(rows.length, "term")}`;
  const whole = response === 1 ? aggregate : `${factor(response)}·(${aggregate})`;
  parts.push(line(`s(${name}) = ${rows.length ? `${whole} + ` : ""}${factor(bias)} = ${shown(s)}`));
  parts.push(line(`y(${name}) = ${activation.name}(${shown(s)}) = ${shown(y)}`));
  parts.push(gateLine(about, j, gate));
  const same = tied(aggregation, terms.map((term) => term.product));
  if (same > 1) parts.push(note(`A tie: ${plural(same, "term")} are the ${SYMBOLS[aggregation]}; the first takes all of the derivative.`));
  if (aggregation !== "sum") parts.push(note(AGGREGATION_NOTES[aggregation]));
  if (response !== 1) parts.push(note(`The response r = ${shown(response)} multiplies the aggregate.`));
  if (activation.kinks.includes(s)) {
    parts.push(note(`${activation.name} has a kink at ${shown(s)}; of its two slopes there, ${shown(gate)} is taken.`));
  }
  return parts;
}

const AGGREGATION_NOTES = {
  mean: "The mean: each term is passed on divided by their number.",
  product: "A product: the derivative by one term is the product of the others.",
  max: "The largest term alone is passed on; its arc takes all of the derivative.",
  min: "The smallest term alone is passed on; its arc takes all of the derivative.",
  maxabs: "The term of the largest size alone is passed on; its arc takes all of the derivative.",
  median: "The middle term alone is passed on; of an even number, the two in the middle, half each.",
};

/** @param {About} about @param {number} j @param {number} gate */
function gateLine({ graph }, j, gate) {
  const open = openness(graph, j, gate);
  const percent = `${shown(100 * open, 3)} %`;
  const most = graph.activations[j].max_gate;
  return make("p", { class: "ew-line" },
    `Φ′(s) = ${shown(gate)} `,
    make("meter", { min: 0, max: 1, value: open, "aria-label": `gate ${percent} open` }),
    make("small", { text: most === null ? " a gate without a largest opening" : ` ${percent} open` }));
}

/** @param {About} about @param {number} i @returns {HTMLElement[]} */
function backward(about, i) {
  const { graph, pass, moment } = about;
  const name = short(graph.names[i], LONGEST);
  const target = short(pass.targetName, LONGEST);
  const terms = backwardTerms(graph, moment, i);
  const plain = terms.every((term) => term.inner === 1);
  const parts = [];
  if (terms.length) {
    parts.push(line(`S(${name}, ${target}) = Σ S(j, ${target})·Φ′(s_j)·${plain ? "" : "(r·∂agg)·"}w`));
    const rows = terms.map((term) => ({
      ...term,
      factors: plain ? [term.sensitivity, term.gate, term.weight] : [term.sensitivity, term.gate, term.inner, term.weight],
    }));
    parts.push(termTable(about, "to j", plain ? ["S", "Φ′", "w"] : ["S", "Φ′", "r·∂agg", "w"], rows, "sum"));
  }
  const seed = moment.seed.get(i);
  if (seed !== undefined) {
    parts.push(line(pass.target === null ? `∂J/∂y(${name}) = ${shown(seed)}` : `S(${name}, ${target}) starts at ${shown(seed)}`,
      pass.target === null ? "where the loss begins" : "the target itself"));
  } else if (!terms.length) {
    parts.push(note("Nothing depends on this node: its sensitivity is 0."));
  }
  parts.push(line(`S(${name}, ${target}) = ${shown(moment.sensitivity[i])}`));
  if (!graph.isInput.has(i)) {
    const linear = moment.sensitivity[i] * moment.gate[i];
    parts.push(line(`S(${name}⁻, ${target}) = S·Φ′ = ${factor(moment.sensitivity[i])}·${factor(moment.gate[i])} = ${shown(linear)}`, "which is ∂b too"));
    const shares = sharing(graph.biasTie, i);
    if (shares.length > 1) {
      const sum = shares.reduce((all, j) => all + moment.sensitivity[j] * moment.gate[j], 0);
      parts.push(note(`Its bias is shared by ${plural(shares.length, "node")}; the gradient of that bias is their sum, ${shown(sum)}.`));
    }
  }
  return parts;
}

/** Everything that is known of an arc. @param {About} about @param {number} e @returns {HTMLElement[]} */
export function arcFormulas(about, e) {
  const { graph, pass, moment, choose } = about;
  const [i, j] = [graph.tail[e], graph.head[e]];
  const [tail, head] = [short(graph.names[i], LONGEST), short(graph.names[j], LONGEST)];
  const found = factors(graph, moment, e);
  const inner = found.inner === 1 ? "" : `·${factor(found.inner)}`;
  const name = found.inner === 1 ? "" : "·(r·∂agg)";
  const target = short(pass.targetName, LONGEST);
  const parts = [
    make("h3", {}, nodeButton(graph, i, choose), " → ", nodeButton(graph, j, choose), make("small", { text: ` arc ${e}, w = ${shown(found.weight)}` })),
    line(`z(${tail}, ${head}) = Φ′(s_j)${name}·w = ${factor(found.gate)}${inner}·${factor(found.weight)} = ${shown(found.derivative)}`),
    line(`∂w = S(${head}, ${target})·Φ′(s_j)${name}·y(${tail}) = ${factor(found.sensitivity)}·${factor(found.gate)}${inner}·${factor(found.value)} = ${shown(found.gradient)}`),
    threeFactors(about, j, found),
  ];
  if (found.inner !== 1) parts.push(note(`r·∂agg = ${shown(found.inner)}: the response, times the derivative of the ${graph.aggregations[j]} by this term.`));
  const shares = sharing(graph.tie, e);
  if (shares.length > 1) {
    const sum = shares.reduce((all, other) => all + factors(graph, moment, other).gradient, 0);
    parts.push(note(`Its weight is shared by ${plural(shares.length, "arc")}; the gradient of that weight is their sum, ${shown(sum)}.`));
  }
  return parts;
}

/** The places that share their parameter with this one, and it. @param {any} tie @param {number} place @returns {number[]} */
function sharing(tie, place) {
  return tie ? Array.from(tie.keys()).filter((other) => tie[other] === tie[place]) : [place];
}

/** The three factors of ∂w side by side, and which of them is the smallest.
 * @param {About} about @param {number} j @param {ReturnType<typeof factors>} found */
function threeFactors({ graph }, j, found) {
  const bars = [
    ["S", found.sensitivity, "how much depends on the head"],
    ["Φ′", found.gate, `the gate, ${shown(100 * openness(graph, j, found.gate), 3)} % open`],
    ["y", found.value, "what the tail sends"],
  ];
  return make("dl", { class: "ew-factors" }, ...bars.map(([name, value, meaning]) => make("div", {},
    make("dt", { text: name }), make("dd", { text: shown(Number(value)) }), make("dd", { text: meaning }))));
}

/**
 * @param {About} about @param {string} where @param {string[]} columns
 * @param {{arc: number, node: number, factors: number[], product: number}[]} rows @param {string} aggregation
 */
function termTable({ graph, choose }, where, columns, rows, aggregation) {
  const largest = [...rows].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const kept = new Set(rows.length <= MOST_TERMS ? rows : largest.slice(0, MOST_TERMS));
  const body = rows.filter((row) => kept.has(row)).map((row) => make("tr", {},
    make("th", { scope: "row" }, nodeButton(graph, row.node, choose)),
    make("td", { class: "ew-product" }, row.factors.map((x) => factor(x)).join(" · "), " = "),
    make("td", {}, make("button", {
      type: "button", class: "ew-link", text: shown(row.product),
      "aria-label": `arc ${row.arc}: ${shown(row.product)}`, onclick: () => choose({ arcs: [row.arc] }),
    }))));
  const table = make("table", { class: "ew-terms" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col", text: where }), make("th", { scope: "col", text: columns.join(" · ") }), make("th", { scope: "col", text: "term" }))),
    make("tbody", {}, ...body));
  if (kept.size < rows.length) {
    const rest = rows.filter((row) => !kept.has(row));
    const together = aggregation === "sum" ? `, together ${shown(rest.reduce((sum, row) => sum + row.product, 0))}` : "";
    table.append(make("caption", { text: `The ${MOST_TERMS} largest of ${plural(rows.length, "term")}; ${rest.length} more are left out${together}.` }));
  }
  return table;
}

/** @param {import("./graph.js").Graph} graph @param {number} j
 * @param {(chosen: {nodes: number[]}) => void} choose */
export function nodeButton(graph, j, choose) {
  return make("button", { type: "button", class: "ew-link", title: printable(graph.names[j].slice(0, 400)), onclick: () => choose({ nodes: [j] }) },
    make("bdi", { text: short(graph.names[j], LONGEST) }));
}

/** @param {string} equation @param {string} [remark] */
function line(equation, remark) {
  return make("p", { class: "ew-line" }, equation, remark ? make("small", { text: `  ${remark}` }) : null);
}

/** @param {string} text */
function note(text) {
  return make("p", { class: "ew-note", text });
}
