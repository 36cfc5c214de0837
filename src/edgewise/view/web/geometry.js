/** Where nodes and arcs are on the canvas: the layout's levels and steps, scaled, moved, and found again by a click. */

const BOW = 0.22;
const MARGIN = { left: 56, right: 56, top: 34, bottom: 44 };

export class Geometry {
  /** @param {import("./graph.js").Graph} graph @param {import("./figures.js").Figure} figure */
  constructor(graph, figure) {
    this.graph = graph;
    this.figure = figure;
    this.columns = 1;
    [this.lowest, this.highest] = [Infinity, -Infinity];
    const reach = (/** @type {number} */ y) => {
      this.lowest = Math.min(this.lowest, y);
      this.highest = Math.max(this.highest, y);
    };
    for (const j of Array.from(figure.nodes)) {
      this.columns = Math.max(this.columns, figure.x[j] + 1);
      reach(figure.y[j]);
    }
    for (const e of Array.from(figure.arcs)) Array.from(figure.waypoints(e)).forEach(reach);
    this.bows = bows(graph, figure);
    for (const e of Array.from(figure.arcs)) {
      for (const end of [graph.tail[e], graph.head[e]]) reach(figure.y[end] + 0.75 * this.bows[e]);
    }
    this.decoupled = false;
    this.fit(800, 400);
  }

  /** The height that the figure would like to have, in pixels. */
  get wanted() {
    return Math.max(240, Math.min(620, MARGIN.top + MARGIN.bottom + (this.highest - this.lowest) * 72));
  }

  /** Show all of it in so many pixels. @param {number} width @param {number} height */
  fit(width, height) {
    const down = this.highest - this.lowest;
    const across = Math.max(1, this.columns - 1);
    this.stepX = Math.max(1, Math.min(260, (width - MARGIN.left - MARGIN.right) / across));
    this.stepY = Math.min(110, Math.max(0.5, (height - MARGIN.top - MARGIN.bottom) / Math.max(down, 1)));
    this.left = (width - this.stepX * (this.columns - 1)) / 2;
    this.top = (height + MARGIN.top - MARGIN.bottom) / 2 - ((this.lowest + this.highest) / 2) * this.stepY;
  }

  /** Zoom about a point. @param {number} by @param {number} x @param {number} y */
  zoom(by, x, y) {
    const most = 400;
    const factor = Math.min(by, most / Math.min(this.stepX, this.stepY));
    this.stepX *= factor;
    this.stepY *= factor;
    this.left = x - (x - this.left) * factor;
    this.top = y - (y - this.top) * factor;
  }

  /** @param {number} dx @param {number} dy */
  move(dx, dy) {
    this.left += dx;
    this.top += dy;
  }

  /** Whether there is room for names below nodes. */
  get named() {
    return this.stepY >= 30 && this.stepX >= 34;
  }

  /** The radius of a node in pixels. */
  get radius() {
    const room = this.named ? (this.stepY - 16) / 2 : this.stepY * 0.36;
    return Math.max(2.5, Math.min(22, room, this.stepX * (this.decoupled ? 0.1 : 0.24)));
  }

  /** @param {number} j @returns {[number, number]} */
  node(j) {
    return [this.left + this.figure.x[j] * this.stepX, this.top + this.figure.y[j] * this.stepY];
  }

  /** How far j⁻ is to the left of the middle and j⁺ to the right of it: 0 if neurons are whole. @param {number} j */
  apart(j) {
    return this.decoupled && !this.graph.isInput.has(j) ? this.radius * 1.9 : 0;
  }

  /**
   * The curve of an arc: where it starts and the cubic pieces that follow, six numbers each.
   * @param {number} e @returns {{start: [number, number], pieces: number[][]}}
   */
  arc(e) {
    const [i, j] = [this.graph.tail[e], this.graph.head[e]];
    const [x0, y0] = this.node(i);
    const [x1, y1] = this.node(j);
    const way = this.figure.waypoints(e);
    const r = this.radius;
    const stops = [[x0 + this.apart(i) + r, y0]];
    for (let k = 0; k < way.length; k++) {
      stops.push([this.left + (this.figure.x[i] + 1 + k) * this.stepX, this.top + way[k] * this.stepY]);
    }
    stops.push([x1 - this.apart(j) - r, y1]);
    const bow = this.bows[e] * this.stepY;
    const pieces = [];
    for (let k = 1; k < stops.length; k++) {
      const [[ax, ay], [bx, by]] = [stops[k - 1], stops[k]];
      const reach = (bx - ax) * 0.45;
      pieces.push([ax + reach, ay + bow, bx - reach, by + bow, bx, by]);
    }
    return { start: /** @type {[number, number]} */ (stops[0]), pieces };
  }

  /** The node at a point, or null. @param {number} x @param {number} y */
  nodeAt(x, y) {
    let [found, nearest] = [null, Math.max(this.radius, 6) + 3];
    for (const j of Array.from(this.figure.nodes)) {
      const [nx, ny] = this.node(j);
      const distance = Math.hypot(Math.max(0, Math.abs(x - nx) - this.apart(j)), y - ny);
      if (distance < nearest) [found, nearest] = [j, distance];
    }
    return found;
  }

  /** The arc nearest to a point, if it is within 6 pixels, or null. @param {number} x @param {number} y */
  arcAt(x, y) {
    let [found, nearest] = [null, 6];
    for (const e of Array.from(this.figure.arcs)) {
      const { start, pieces } = this.arc(e);
      const end = pieces[pieces.length - 1];
      if (x < start[0] - 6 || x > end[4] + 6) continue;
      let from = start;
      for (const piece of pieces) {
        if (x >= from[0] - 6 && x <= piece[4] + 6) {
          const distance = fromPiece(x, y, from, piece);
          if (distance < nearest) [found, nearest] = [e, distance];
        }
        from = [piece[4], piece[5]];
      }
    }
    return found;
  }
}

/** A point of a cubic piece at t in [0, 1]. @param {number[]} from @param {number[]} p @param {number} t */
export function along(from, p, t) {
  const u = 1 - t;
  const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
  return [a * from[0] + b * p[0] + c * p[2] + d * p[4], a * from[1] + b * p[1] + c * p[3] + d * p[5]];
}

/** @param {number} x @param {number} y @param {number[]} from @param {number[]} piece */
function fromPiece(x, y, from, piece) {
  let least = Infinity;
  let [px, py] = from;
  for (let k = 1; k <= 12; k++) {
    const [qx, qy] = along(from, piece, k / 12);
    const [dx, dy] = [qx - px, qy - py];
    const t = Math.max(0, Math.min(1, ((x - px) * dx + (y - py) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(x - px - t * dx, y - py - t * dy));
    [px, py] = [qx, qy];
  }
  return least;
}

/** How far each arc bends, in steps: parallel ones apart, and those that pass columns without a waypoint.
 * @param {import("./graph.js").Graph} graph @param {import("./figures.js").Figure} figure */
function bows(graph, figure) {
  const seen = new Map();
  const found = new Float64Array(graph.nArcs);
  for (const e of Array.from(figure.arcs)) {
    const [i, j] = [graph.tail[e], graph.head[e]];
    const pair = i * graph.nNodes + j;
    const k = seen.get(pair) ?? 0;
    seen.set(pair, k + 1);
    const passed = figure.x[j] - figure.x[i] - 1 - figure.waypoints(e).length;
    found[e] = BOW * Math.floor((k + 1) / 2) * (k % 2 ? 1 : -1) + (passed > 0 ? 0.3 + 0.1 * Math.min(passed, 5) : 0);
  }
  return found;
}
