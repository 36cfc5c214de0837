/** A network too large for a graph: a square for each pair of levels that arcs join, coloured as they are many. */

import { make } from "./dom.js";
import { counted } from "./numbers.js";
import { between, colours } from "./palette.js";

const CELLS = 8;
const MOST_ROWS = 600;
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
    /** how many levels are one where they are very many */ this.every = Math.ceil(graph.nLevels / MOST_ROWS);
    const bands = Math.ceil(graph.nLevels / this.every);
    this.members = Array.from({ length: bands }, () => /** @type {number[]} */ ([]));
    for (const j of graph.order) this.members[Math.floor(graph.level[j] / this.every)].push(j);
    /** How many rows a level has. */
    this.per = bands <= 40 ? CELLS : bands <= 150 ? 2 : 1;
    const { per } = this;
    const row = new Int32Array(graph.nNodes);
    this.members.forEach((members, band) =>
      members.forEach((j, k) => (row[j] = band * per + Math.floor((k * per) / members.length))));
    const side = bands * per;
    this.counts = new Map();
    for (let e = 0; e < graph.nArcs; e++) {
      const key = row[graph.head[e]] * side + row[graph.tail[e]];
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    }
    this.canvas.setAttribute("aria-label", `Arcs between ${graph.nLevels} levels, as a matrix; rows are heads, columns tails`);
    this.caption.textContent = `${counted(graph.nNodes)} nodes in ${counted(graph.nLevels)} levels, ${counted(graph.nArcs)} arcs: columns are the levels of tails, rows those of heads${this.every > 1 ? `, ${this.every} together` : ""}; the stronger the colour, the larger the share of arcs that are there. Click a square for the neighbourhood of a node in its row.`;
    this.paint();
  }

  /** Rows are heads, columns tails. @param {number} x @param {number} y @returns {number | null} */
  nodeAt(x, y) {
    if (!this.graph || !this.members) return null;
    const size = this.unit;
    const row = Math.floor((y - EDGE / 2) / size);
    const column = Math.floor((x - EDGE) / size);
    if (column < 0 || row < 0 || row >= this.members.length * this.per) return null;
    const members = this.members[Math.floor(row / this.per)];
    return members[Math.min(members.length - 1, Math.ceil(((row % this.per) * members.length) / this.per))] ?? null;
  }

  /** The side of a cell in pixels. */
  get unit() {
    const cells = (this.members?.length ?? 1) * (this.per ?? 1);
    return Math.max(1, (Math.min(this.canvas.clientWidth, 620) - EDGE - 10) / cells);
  }

  paint() {
    const { graph, members, counts, per, canvas } = this;
    if (!graph || !members || !counts || !per || !canvas.clientWidth) return;
    const [palette, size, scale] = [colours(), this.unit, window.devicePixelRatio || 1];
    const side = members.length * per;
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
    for (let band = 0; band <= members.length; band++) {
      if (band % every) continue;
      const at = band * per * size;
      context.strokeRect(0, at, side * size, 0);
      context.strokeRect(at, 0, 0, side * size);
      if (band < members.length) context.fillText(String(band * (this.every ?? 1)), -6, at + Math.min(per * size, 14 * every) / 2 + 4);
    }
  }

  close() {
    this.watcher.disconnect();
  }
}
