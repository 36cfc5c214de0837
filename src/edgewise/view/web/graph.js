/** The network: nodes, arcs by their two ends, levels. Index for index as the library numbers them. */

import { unpack } from "./arrays.js";

export class Graph {
  /** @param {any} data the part `network` of a view's data */
  constructor(data) {
    this.names = namesOf(data);
    this.tail = unpack(data.tail);
    this.head = unpack(data.head);
    this.weight = unpack(data.weight);
    this.bias = unpack(data.bias);
    this.response = unpack(data.response);
    this.inputs = unpack(data.inputs);
    this.outputs = unpack(data.outputs);
    ({ order: this.order, level: this.level, y: this.y } = standing(data));
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

/** What nodes are called: by their index, unless they have names. @param {any} data the part `network` of a view's data
 * @returns {string[]} */
export function namesOf(data) {
  return data.names ?? Array.from({ length: data.bias.shape[0] }, (_, j) => String(j));
}

/**
 * Where nodes stand: their order, and of each its level and how far down it is, in steps. In a large network each level
 * is a part of the order.
 * @param {any} data the part `network` of a view's data
 */
export function standing(data) {
  const order = unpack(data.order);
  if (data.level) return { order, level: unpack(data.level), y: unpack(data.y) };
  const start = unpack(data.level_start);
  const [level, y] = [new Int32Array(order.length), new Float64Array(order.length)];
  for (let k = 0; k + 1 < start.length; k++) {
    for (let place = start[k]; place < start[k + 1]; place++) {
      level[order[place]] = k;
      y[order[place]] = place - (start[k] + start[k + 1] - 1) / 2;
    }
  }
  return { order, level, y };
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
