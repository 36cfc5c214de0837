/** Level by node: one map each of values, gates, closed gates and what arrives of the gradient. */

import { unpack } from "./arrays.js";
import { decibels, extent } from "./charts.js";
import { make } from "./dom.js";
import { namesOf } from "./graph.js";
import { Levels } from "./levels.js";
import { plural, short, shown } from "./numbers.js";
import { between, colours, onColours } from "./palette.js";

const GUTTER = 34;
const LONGEST_ROW = 20;
const LEAST_ROW = 3;
const MOST_HEIGHT = 420;

/**
 * What a map shows: numbers of either sign around 0, a share from 0 to 1, or decibels from 0 down or up.
 * @typedef {{key: string, title: string, note: string, told: (x: number) => string, share: boolean, db: boolean}} Kind
 */
/** @type {Kind[]} */
const MAPS = [
  { key: "value", title: "Values", note: "mean y over the samples", told: shown, share: false, db: false },
  { key: "gate", title: "Gates", note: "mean Φ′ over the samples", told: shown, share: false, db: false },
  { key: "closed", title: "Closed gates", note: "share of samples where nearly 0",
    told: (x) => `${(100 * x).toFixed(0)} %`, share: true, db: false },
  { key: "total_db", title: "Sensitivities", note: "root mean square of S", told: decibels, share: false, db: true },
  { key: "gates_db", title: "Lost to gates", note: "what gates make of S", told: decibels, share: false, db: true },
  { key: "share", title: "Shares", note: "of the gradient's path energy",
    told: (x) => `${shown(100 * x, 3)} %`, share: false, db: false },
];

/** @param {import("./view.js").Context} context */
export function heatmapSection({ selection }) {
  const grid = make("div", { class: "ew-maps" });
  const remark = make("p", { class: "ew-note" });
  const element = make(
    "section", { class: "ew-section ew-heat", "aria-label": "Level by node" }, make("h2", { text: "Level by node" }),
    remark, grid,
  );
  /** @type {Heatmap[]} */ let maps = [];
  const repaint = () => maps.forEach((map) => map.paint());
  const watcher = new ResizeObserver(repaint);
  watcher.observe(grid);
  const ends = [selection.subscribe(repaint), onColours(repaint), () => watcher.disconnect()];
  return {
    element,
    /** @param {any} data */
    update(data) {
      const levels = new Levels(data);
      const apart = levels.of.filter((level) => level < 0).length;
      remark.textContent = "A row is a level, the target's own at the top; a cell is a node, in the order in which they are "
        + "drawn. A dot stands where there is no number: inputs have no gate, and of nothing there are no decibels."
        + (apart ? ` ${plural(apart, "node")}, from which no path leads to the target, ${apart === 1 ? "is" : "are"} left out.` : "");
      const [each, names] = [data.report.maps_each, namesOf(data.network)];
      const ofNodes = (/** @type {ArrayLike<number>} */ numbers) => (each ? levels.spread(numbers, each) : numbers);
      maps = MAPS.filter(({ key }) => data.report.maps[key]).map((kind) =>
        new Heatmap(kind, ofNodes(unpack(data.report.maps[kind.key])), each ?? 1, levels, names, selection));
      grid.replaceChildren(...maps.map((map) => map.element));
      repaint();
    },
    close() {
      for (const end of ends) end();
    },
  };
}

/** How many nodes each cell stands for where a level of `widest` nodes has so many pixels, and how wide a cell is.
 * @param {number} widest @param {number} pixels @param {number} least how many it stands for at least, of which it is a multiple */
export function cells(widest, pixels, least = 1) {
  const each = least * Math.max(1, Math.ceil(widest / least / Math.max(1, pixels)));
  return { each, width: Math.min(28, pixels / Math.max(1, Math.ceil(widest / each))) };
}

class Heatmap {
  /** @param {Kind} kind @param {ArrayLike<number>} numbers one a node @param {number} least of how many nodes of a level
   * each number is the mean @param {Levels} levels @param {string[]} names
   * @param {import("./selection.js").Selection} selection */
  constructor(kind, numbers, least, levels, names, selection) {
    this.kind = kind;
    this.numbers = numbers;
    this.least = least;
    this.levels = levels;
    this.names = names;
    this.selection = selection;
    [this.low, this.high] = kind.share ? [0, 1] : extent(levels.nodes.flat().map((j) => numbers[j]));
    if (!kind.share && !kind.db) {
      this.high = Math.max(Math.abs(this.low), Math.abs(this.high));
      this.low = this.low < 0 ? -this.high : 0;
    }
    /** @type {[number, number]} */ this.at = [0, 0];
    this.readout = make("output", { class: "ew-note ew-readout", "aria-live": "polite", text: "\u00a0" });
    this.canvas = make("canvas", {
      class: "ew-map", tabindex: 0, role: "application",
      "aria-label": `${kind.title}, ${kind.note}, of ${levels.count} levels, from ${kind.told(this.low)} to `
        + `${kind.told(this.high)}. Arrow keys go from node to node, Enter chooses.`,
    });
    this.legend = make("canvas", { class: "ew-scale", "aria-hidden": "true" });
    this.canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.look(this.found(event)));
    this.canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => this.choose(this.found(event)));
    this.canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    this.canvas.addEventListener("focus", () => this.look(this.at));
    this.canvas.addEventListener("blur", () => this.paint());
    this.element = make(
      "figure", { class: "ew-figure" },
      make("figcaption", {}, make("strong", { text: kind.title }), ` ${kind.note}`),
      this.canvas,
      make("div", { class: "ew-scale-row" }, make("span", { text: kind.told(this.low) }), this.legend,
        make("span", { text: kind.told(this.high) })),
      this.readout,
    );
  }

  /** The nodes of a cell. @param {[number, number]} at level and cell */
  nodes([level, cell]) {
    return (this.levels.nodes[level] ?? []).slice(cell * this.each, (cell + 1) * this.each);
  }

  /** @param {{offsetX: number, offsetY: number}} event @returns {[number, number]} */
  found({ offsetX, offsetY }) {
    return [Math.floor(offsetY / this.row), Math.floor((offsetX - GUTTER) / this.width)];
  }

  /** Say what is in a cell. @param {[number, number]} at */
  look(at) {
    const nodes = at[1] < 0 ? [] : this.nodes(at);
    if (!nodes.length) return;
    this.at = at;
    const who = nodes.length === 1 ? short(this.names[nodes[0]], 40) : `${nodes.length} nodes, their mean`;
    this.readout.textContent = `level ${this.levels.name(at[0])}, ${who}: ${this.kind.told(this.mean(nodes))}`;
    this.paint();
  }

  /** @param {[number, number]} at */
  choose(at) {
    this.selection.set({ nodes: at[1] < 0 ? this.levels.nodes[at[0]] ?? [] : this.nodes(at) });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (by) {
      const level = Math.max(0, Math.min(this.levels.count - 1, this.at[0] + by[0]));
      const last = Math.ceil(this.levels.nodes[level].length / this.each) - 1;
      this.look([level, Math.max(0, Math.min(last, this.at[1] + by[1]))]);
    } else if (event.key === "Enter" || event.key === " ") {
      this.choose(this.at);
    } else if (event.key === "Escape") {
      this.selection.set({});
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The mean of what is finite; of nodes that have no finite number what the first has. @param {number[]} nodes */
  mean(nodes) {
    const some = nodes.map((j) => this.numbers[j]).filter(Number.isFinite);
    return some.length ? some.reduce((sum, x) => sum + x, 0) / some.length : this.numbers[nodes[0]];
  }

  /** The colour of a number, null where there is none. @param {number} x @param {import("./palette.js").Palette} palette */
  colour(x, palette) {
    if (!Number.isFinite(x)) return null;
    if (!this.kind.db && x < 0) return between(palette.panel, palette.negative, Math.min(1, x / (this.low || -1)));
    const share = this.high > this.low ? (x - (this.kind.db ? this.low : 0)) / (this.high - (this.kind.db ? this.low : 0)) : 1;
    return between(palette.panel, this.kind.share ? palette.text : palette.positive, Math.max(0, Math.min(1, share)));
  }

  paint() {
    const pixels = this.canvas.clientWidth;
    if (!pixels) return;
    const palette = colours();
    ({ each: this.each, width: this.width } = cells(this.levels.widest, pixels - GUTTER - 2, this.least));
    this.row = Math.max(LEAST_ROW, Math.min(LONGEST_ROW, MOST_HEIGHT / this.levels.count));
    const height = Math.ceil(this.row * this.levels.count) + 2;
    const context = sized(this.canvas, pixels, height);
    const gap = this.width > 5 && this.row > 5 ? 1 : 0;
    const every = Math.ceil(13 / this.row);
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "end";
    context.textBaseline = "middle";
    /** @type {number[][]} */ const outlined = [];
    this.levels.nodes.forEach((all, level) => {
      const y = level * this.row + 1;
      if (level % every === 0) {
        context.fillStyle = palette.muted;
        context.fillText(String(level * this.levels.every), GUTTER - 7, y + Math.max(this.row, 10) / 2);
      }
      for (let cell = 0; cell * this.each < all.length; cell++) {
        const nodes = all.slice(cell * this.each, (cell + 1) * this.each);
        const box = [GUTTER + cell * this.width, y, this.width - gap, this.row - gap];
        const fill = this.colour(this.mean(nodes), palette);
        context.fillStyle = fill ?? palette.paper;
        context.fillRect(box[0], box[1], box[2], box[3]);
        if (fill === null) {
          context.fillStyle = palette.muted;
          context.fillRect(box[0] + box[2] / 2 - 1, box[1] + box[3] / 2 - 1, 2, 2);
        }
        if (!this.selection.nodes.size || !nodes.some((j) => this.selection.nodes.has(j))) continue;
        const before = outlined[outlined.length - 1];
        if (before && before[1] === y && before[0] + before[2] + gap >= box[0] - 0.01) before[2] = box[0] + box[2] - before[0];
        else outlined.push(box);
      }
    });
    context.strokeStyle = palette.chosen;
    context.lineWidth = 2;
    for (const [x, y, w, h] of outlined) context.strokeRect(x + 0.5, y + 0.5, Math.max(1, w - 1), Math.max(1, h - 1));
    if (document.activeElement === this.canvas) {
      context.strokeStyle = palette.text;
      context.strokeRect(GUTTER + this.at[1] * this.width, this.at[0] * this.row + 1, Math.max(2, this.width), this.row);
    }
    this.paintScale(palette);
  }

  /** @param {import("./palette.js").Palette} palette */
  paintScale(palette) {
    const [width, height] = [160, 10]; // as the style sheet has it
    const context = sized(this.legend, width, height);
    for (let x = 0; x < width; x++) {
      context.fillStyle = this.colour(this.low + ((x + 0.5) / width) * (this.high - this.low), palette) ?? palette.paper;
      context.fillRect(x, 0, 1, height);
    }
  }
}

/** A canvas of so many pixels of the page, sharp on every screen. @param {HTMLCanvasElement} canvas
 * @param {number} width @param {number} height */
function sized(canvas, width, height) {
  const sharp = Math.max(2, window.devicePixelRatio || 1); // 2 for paper
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  canvas.style.height = `${height}px`;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  return context;
}
