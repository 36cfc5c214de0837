/** The canvas that a figure is drawn on: zoomed, dragged, clicked. Arcs are kept as a picture of their own, so that a step
 * repaints nodes alone. */

import { arcBundles, paintArcs, paintChosen, paintNodes } from "./drawing.js";
import { make } from "./dom.js";
import { Geometry } from "./geometry.js";
import { colours } from "./palette.js";

const MANY_ARCS = 1500;

/**
 * @typedef {object} Picture what is to be seen
 * @property {ArrayLike<number>} strength of each arc: its sign and width
 * @property {number} opacity of arcs that do not stand out
 * @property {(j: number) => import("./drawing.js").Look} look
 * @property {{arcs: Iterable<number>, colour: string}[]} chosen arcs that stand out
 */

export class Stage {
  /** @param {{picked: (chosen: {nodes: number[], arcs: number[]}) => void}} listener */
  constructor({ picked }) {
    this.canvas = make("canvas", { class: "ew-canvas", role: "img", tabindex: 0 });
    this.layer = document.createElement("canvas");
    /** @type {Geometry | null} */ this.geometry = null;
    /** @type {Picture | null} */ this.picture = null;
    this.stale = true;
    this.fitted = true;
    this.waiting = false;
    this.later = 0;
    this.listenToPointer(picked);
    this.watcher = new ResizeObserver(() => this.resized());
    this.watcher.observe(this.canvas);
  }

  /** Draw this figure. @param {import("./graph.js").Graph} graph @param {import("./figures.js").Figure} figure
   * @param {boolean} decoupled */
  show(graph, figure, decoupled) {
    const kept = this.geometry && !this.fitted && this.geometry.graph.nNodes === graph.nNodes ? this.geometry : null;
    this.geometry = new Geometry(graph, figure);
    this.geometry.decoupled = decoupled;
    this.canvas.style.height = `${this.geometry.wanted}px`;
    if (kept) Object.assign(this.geometry, { stepX: kept.stepX, stepY: kept.stepY, left: kept.left, top: kept.top });
    else this.fit();
  }

  /** Show all of the figure. */
  fit() {
    this.fitted = true;
    this.geometry?.fit(this.canvas.clientWidth, this.canvas.clientHeight);
    this.changed();
  }

  /** Zoom about a point, the middle if none is given. @param {number} by @param {number} [x] @param {number} [y] */
  zoom(by, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    this.fitted = false;
    this.geometry?.zoom(by, x, y);
    this.changed();
  }

  /** Arcs must be drawn anew, not only nodes. */
  changed() {
    this.stale = true;
    this.repaint();
  }

  /** Arcs are others, and nodes shall not wait for them: many arcs are drawn anew when it has been still for a moment. */
  arcsChanged() {
    if ((this.geometry?.figure.arcs.length ?? 0) < MANY_ARCS) {
      this.changed();
      return;
    }
    clearTimeout(this.later);
    this.later = setTimeout(() => this.changed(), 150);
    this.repaint();
  }

  /** Paint before the next frame, once, however often it is asked for. */
  repaint() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  resized() {
    if (this.fitted) this.fit();
    else this.changed();
  }

  paint() {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!this.geometry || !this.picture || !width || !height) return;
    const scale = window.devicePixelRatio || 1;
    const { strength, opacity, look, chosen } = this.picture;
    const palette = colours();
    for (const canvas of [this.canvas, this.layer]) {
      if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
        this.stale = true;
      }
    }
    if (this.stale) {
      const back = /** @type {CanvasRenderingContext2D} */ (this.layer.getContext("2d"));
      back.setTransform(scale, 0, 0, scale, 0, 0);
      back.clearRect(0, 0, width, height);
      paintArcs(back, arcBundles(this.geometry, strength), palette, opacity);
      this.stale = false;
    }
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.layer, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    for (const { arcs, colour } of chosen) {
      paintChosen(context, this.geometry, palette, arcs, (e) => strength[e] < 0, colour);
    }
    paintNodes(context, this.geometry, palette, look);
  }

  /** @param {(chosen: {nodes: number[], arcs: number[]}) => void} picked */
  listenToPointer(picked) {
    /** @type {{x: number, y: number, moved: boolean} | null} */ let held = null;
    this.canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      held = { x: event.offsetX, y: event.offsetY, moved: false };
    });
    this.canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (!held || !this.geometry || !event.buttons) return;
      const [dx, dy] = [event.offsetX - held.x, event.offsetY - held.y];
      if (!held.moved && Math.hypot(dx, dy) < 4) return;
      held = { x: event.offsetX, y: event.offsetY, moved: true };
      this.fitted = false;
      this.geometry.move(dx, dy);
      this.changed();
    });
    this.canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const dragged = held?.moved;
      held = null;
      if (dragged || !this.geometry) return;
      const node = this.geometry.nodeAt(event.offsetX, event.offsetY);
      const arc = node === null ? this.geometry.arcAt(event.offsetX, event.offsetY) : null;
      picked({ nodes: node === null ? [] : [node], arcs: arc === null ? [] : [arc] });
    });
    this.canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    }, { passive: false });
  }

  close() {
    clearTimeout(this.later);
    this.watcher.disconnect();
  }
}
