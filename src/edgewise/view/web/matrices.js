/** A network too large for a graph: a square for each pair of levels that arcs join, coloured as they are many. */

import { make } from "./dom.js";
import { counted } from "./numbers.js";
import { between, colours } from "./palette.js";

const CELLS = 8;
const EDGE = 40;

export class Matrices {
  /** @param {{picked: (node: number) => void}} listener */
  constructor({ picked }) {
    this.canvas = make("canvas", { class: "ew-matrix", role: "img", tabindex: 0 });
    this.caption = make("p", { class: "ew-note" });
    this.element = make("figure", { class: "ew-matrices" }, this.canvas, this.caption);
    this.canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const node = this.nodeAt(event.offsetX, event.offsetY);
      if (node !== null) picked(node);
    });
    this.watcher = new ResizeObserver(() => this.paint());
    this.watcher.observe(this.canvas);
  }

  /** @param {import("./graph.js").Graph} graph */
  show(graph) {
    this.graph = graph;
    this.members = Array.from({ length: graph.nLevels }, () => /** @type {number[]} */ ([]));
    for (const j of graph.order) this.members[graph.level[j]].push(j);
    /** The cell of each node within its level, and how many cells a level has. */
    this.cell = new Int32Array(graph.nNodes);
    this.per = graph.nLevels <= 40 ? CELLS : graph.nLevels <= 150 ? 2 : 1;
    const { per, cell } = this;
    this.members.forEach((members) => members.forEach((j, k) => (cell[j] = Math.floor((k * per) / members.length))));
    const side = graph.nLevels * per;
    this.counts = new Map();
    for (let e = 0; e < graph.nArcs; e++) {
      const [i, j] = [graph.tail[e], graph.head[e]];
      const row = graph.level[j] * per + cell[j];
      const key = row * side + graph.level[i] * per + cell[i];
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    }
    this.canvas.setAttribute("aria-label", `Arcs between ${graph.nLevels} levels, as a matrix; rows are heads, columns tails`);
    this.caption.textContent = `${counted(graph.nNodes)} nodes in ${counted(graph.nLevels)} levels, ${counted(graph.nArcs)} arcs: columns are the levels of tails, rows those of heads; the stronger the colour, the larger the share of arcs that are there. Click a square for the neighbourhood of a node in its row.`;
    this.paint();
  }

  /** Rows are heads, columns tails. @param {number} x @param {number} y @returns {number | null} */
  nodeAt(x, y) {
    if (!this.graph || !this.members) return null;
    const size = this.unit;
    const row = Math.floor((y - EDGE / 2) / size);
    const column = Math.floor((x - EDGE) / size);
    if (column < 0 || row < 0 || row >= this.graph.nLevels * this.per) return null;
    const members = this.members[Math.floor(row / this.per)];
    return members[Math.min(members.length - 1, Math.ceil(((row % this.per) * members.length) / this.per))] ?? null;
  }

  /** The side of a cell in pixels. */
  get unit() {
    const cells = (this.graph?.nLevels ?? 1) * (this.per ?? 1);
    return Math.max(1, (Math.min(this.canvas.clientWidth, 620) - EDGE - 10) / cells);
  }

  paint() {
    const { graph, members, counts, per, canvas } = this;
    if (!graph || !members || !counts || !per || !canvas.clientWidth) return;
    const [palette, size, scale] = [colours(), this.unit, window.devicePixelRatio || 1];
    const side = graph.nLevels * per;
    const height = Math.ceil(side * size + EDGE);
    canvas.style.height = `${height}px`;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.translate(EDGE, EDGE / 2);
    const rows = members.map((of) => Math.max(1, of.length / per));
    const shares = [...counts].map(([key, count]) => {
      const [row, column] = [Math.floor(key / side), key % side];
      return { row, column, share: Math.min(1, count / (rows[Math.floor(row / per)] * rows[Math.floor(column / per)])) };
    });
    const ranked = shares.map(({ share }) => share).sort((a, b) => a - b);
    const most = ranked[Math.floor(0.98 * (ranked.length - 1))] ?? 1; // a few full squares shall not make all others pale
    for (const { row, column, share } of shares) {
      context.fillStyle = between(palette.paper, palette.positive, 0.12 + 0.88 * Math.sqrt(Math.min(1, share / most)));
      context.fillRect(column * size, row * size, Math.max(1, size), Math.max(1, size));
    }
    context.strokeStyle = palette.faint;
    context.fillStyle = palette.muted;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    const every = Math.max(1, Math.ceil(14 / (per * size)));
    for (let level = 0; level <= graph.nLevels; level++) {
      if (level % every) continue;
      const at = level * per * size;
      context.strokeRect(0, at, side * size, 0);
      context.strokeRect(at, 0, 0, side * size);
      if (level < graph.nLevels) context.fillText(String(level), -6, at + Math.min(per * size, 14 * every) / 2 + 4);
    }
  }

  close() {
    this.watcher.disconnect();
  }
}
