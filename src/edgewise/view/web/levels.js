/** The levels of a report: d(i), arcs on the longest path from a node to the target or the loss. */

import { unpack } from "./arrays.js";

export class Levels {
  /** @param {any} data the view's data, with a report of samples */
  constructor(data) {
    this.of = unpack(data.report.levels);
    const y = unpack(data.network.y);
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

  /** What a level is called. @param {number} level */
  name(level) {
    return level === 0 ? "0, the target's own" : String(level);
  }
}
