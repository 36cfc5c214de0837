/** A pass: every quantity of one sample, at one step of training. */

import { sumsAndDerivatives } from "./arithmetic.js";
import { unpack, unpackRows } from "./arrays.js";

/**
 * @typedef {object} Moment one sample at one step, index for index like the graph
 * @property {ArrayLike<number>} value y
 * @property {ArrayLike<number>} preactivation s
 * @property {ArrayLike<number>} gate Φ′(s)
 * @property {ArrayLike<number>} sensitivity S
 * @property {ArrayLike<number>} edgeDerivative z
 * @property {Map<number, number>} seed what the backward pass starts from: 1 at the target, ∂J/∂o at outputs
 * @property {ArrayLike<number>} weight
 * @property {ArrayLike<number>} bias
 * @property {ArrayLike<number>} response
 * @property {number | null} loss J
 */

export class Pass {
  /** @param {any} data the part `pass` of a view's data @param {import("./graph.js").Graph} graph */
  constructor(data, graph) {
    this.data = data;
    this.graph = graph;
    /** @type {number | null} the node t, or null: the target is the loss J */ this.target = data.target;
    this.start = unpack(data.start);
    this.nSamples = data.samples;
    this.nSteps = data.steps.length;
    /** @type {Map<number, any>} */ this.unpacked = new Map();
  }

  /** @param {number} step */
  label(step) {
    return this.data.steps[step].label;
  }

  /** The name of what is differentiated. */
  get targetName() {
    return this.target === null ? "J" : this.graph.names[this.target];
  }

  /** @param {number} step @param {number} sample @returns {Moment} */
  at(step, sample) {
    const found = this.step(step);
    const moment = {
      value: found.value[sample],
      preactivation: found.preactivation?.[sample],
      gate: found.gate[sample],
      sensitivity: found.sensitivity[sample],
      edgeDerivative: found.edgeDerivative?.[sample],
      seed: new Map(Array.from(this.start, (node, k) => [node, found.seed[sample][k]])),
      weight: found.weight ?? this.graph.weight,
      bias: found.bias ?? this.graph.bias,
      response: found.response ?? this.graph.response,
      loss: found.loss ? found.loss[sample] : null,
    };
    return found.preactivation ? moment : { ...moment, ...sumsAndDerivatives(this.graph, moment) };
  }

  /** All samples of a step, unpacked once. @param {number} step */
  step(step) {
    const kept = this.unpacked.get(step);
    if (kept) return kept;
    const given = this.data.steps[step];
    const found = {
      value: unpackRows(given.value),
      preactivation: given.preactivation && unpackRows(given.preactivation),
      gate: unpackRows(given.gate),
      sensitivity: unpackRows(given.sensitivity),
      edgeDerivative: given.edge_derivative && unpackRows(given.edge_derivative),
      seed: unpackRows(given.seed),
      weight: given.weight && unpack(given.weight),
      bias: given.bias && unpack(given.bias),
      response: given.response && unpack(given.response),
      loss: given.loss && unpack(given.loss),
    };
    this.unpacked.set(step, found);
    return found;
  }
}
