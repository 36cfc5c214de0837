/** The network: nodes, arcs by their two ends, levels. Index for index as the library numbers them. */

import { unpack } from "./arrays.js";

export class Graph {
  /** @param {any} data the part `network` of a view's data */
  constructor(data) {
    /** @type {string[]} */ this.names = data.names;
    this.tail = unpack(data.tail);
    this.head = unpack(data.head);
    this.weight = unpack(data.weight);
    this.bias = unpack(data.bias);
    this.response = unpack(data.response);
    this.inputs = unpack(data.inputs);
    this.outputs = unpack(data.outputs);
    this.order = unpack(data.order);
    this.level = unpack(data.level);
    this.y = unpack(data.y);
    this.tie = data.tie ? unpack(data.tie) : null;
    this.biasTie = data.bias_tie ? unpack(data.bias_tie) : null;
    /** Where arcs pass the levels between their ends; null: too large to be drawn as a whole. */
    this.routes = data.routes ? { start: unpack(data.routes.start), y: unpack(data.routes.y) } : null;
    const [activation, aggregation] = [unpack(data.activation.code), unpack(data.aggregation.code)];
    /** @type {Activation[]} */ this.activations = Array.from(activation, (code) => data.activation.table[code]);
    /** @type {string[]} */ this.aggregations = Array.from(aggregation, (code) => data.aggregation.table[code]);
    this.nNodes = this.names.length;
    this.nArcs = this.tail.length;
    this.isInput = new Set(this.inputs);
    this.isOutput = new Set(this.outputs);
    /** Arcs into and out of each node, in their own order. */
    this.into = groups(this.head, this.nNodes);
    this.outOf = groups(this.tail, this.nNodes);
    this.nLevels = 1 + this.level.reduce((most, k) => Math.max(most, k), 0);
  }
}

/**
 * @typedef {{name: string, max_gate: number | null, kinks: number[], range: (number | string)[]}} Activation
 * a row of the table of activations; `max_gate` is null where |Φ′| has no limit
 */

/**
 * The places in `key` that hold each number below `count`.
 * @param {ArrayLike<number>} key @param {number} count
 * @returns {number[][]}
 */
function groups(key, count) {
  /** @type {number[][]} */ const found = Array.from({ length: count }, () => []);
  for (let k = 0; k < key.length; k++) found[key[k]].push(k);
  return found;
}
