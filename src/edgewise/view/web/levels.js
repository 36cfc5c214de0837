/** The levels of a report: d(i), arcs on the longest path from a node to the target or the loss; of very many, several
 * are one. */

import { unpack } from "./arrays.js";
import { standing } from "./graph.js";

export class Levels {
  /** @param {any} data the view's data, with a report of samples */
  constructor(data) {
    this.of = unpack(data.report.levels);
    /** how many d(i) make a level */ this.every = data.report.levels_every;
    const { y } = standing(data.network);
    /** @type {number[][]} the nodes of each level, from top to bottom as they are drawn */ this.nodes = [];
    this.of.forEach((level, j) => {
      if (level < 0) return;
      while (this.nodes.length <= level) this.nodes.push([]);
      this.nodes[level].push(j);
    });
    for (const nodes of this.nodes) nodes.sort((a, b) => y[a] - y[b] || a - b);
    this.count = this.nodes.length;
    this.widest = this.nodes.reduce((most, nodes) => Math.max(most, nodes.length), 0);
  }

  /** Which levels hold any of these nodes. @param {Iterable<number>} nodes @returns {Set<number>} */
  holding(nodes) {
    return new Set(Array.from(nodes, (j) => this.of[j]).filter((level) => level >= 0));
  }

  /** What a level is called: its d(i), from the first to the last. @param {number} level */
  name(level) {
    return this.every === 1 ? String(level) : `${level * this.every}–${(level + 1) * this.every - 1}`;
  }

  /** Of numbers of cells, runs of `each` nodes of a level, the number of each node; NaN where a node has no level.
   * @param {ArrayLike<number>} numbers @param {number} each */
  spread(numbers, each) {
    const found = new Float64Array(this.of.length).fill(NaN);
    let before = 0;
    for (const nodes of this.nodes) {
      nodes.forEach((j, k) => { found[j] = numbers[before + Math.floor(k / each)]; });
      before += Math.ceil(nodes.length / each);
    }
    return found;
  }
}
