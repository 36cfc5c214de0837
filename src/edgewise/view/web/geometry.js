/** Where nodes and arcs are on the canvas: the layout's levels and steps, scaled, moved, and found again by a click. */

const BOW = 0.22;
const MARGIN = { left: 56, right: 56, top: 34, bottom: 44 };

export class Geometry {
  /** @param {import("./graph.js").Graph} graph */
  constructor(graph) {
    this.graph = graph;
    this.lowest = graph.y.reduce((low, y) => Math.min(low, y), 0);
    this.highest = graph.y.reduce((high, y) => Math.max(high, y), 0);
    const routes = graph.routes ? graph.routes.y : [];
    for (const y of routes) {
      this.lowest = Math.min(this.lowest, y);
      this.highest = Math.max(this.highest, y);
    }
    this.bows = bows(graph);
    this.decoupled = false;
    this.fit(800, 400);
  }

  /** Show all of it in so many pixels. @param {number} width @param {number} height */
  fit(width, height) {
    const across = Math.max(1, this.graph.nLevels - 1);
    const down = this.highest - this.lowest;
    this.width = width;
    this.height = height;
    this.stepX = Math.max(1, (width - MARGIN.left - MARGIN.right) / across);
    this.stepY = Math.min(110, Math.max(0.5, (height - MARGIN.top - MARGIN.bottom) / Math.max(down, 1)));
    this.left = this.graph.nLevels > 1 ? MARGIN.left : width / 2;
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

  /** The radius of a node in pixels. */
  get radius() {
    return Math.max(2.5, Math.min(22, this.stepY * 0.36, this.stepX * (this.decoupled ? 0.12 : 0.26)));
  }

  /** @param {number} j @returns {[number, number]} */
  node(j) {
    return [this.left + this.graph.level[j] * this.stepX, this.top + this.graph.y[j] * this.stepY];
  }

  /** How far j⁻ is to the left of the middle and j⁺ to the right of it: 0 if neurons are whole. @param {number} j */
  apart(j) {
    return this.decoupled && !this.graph.isInput.has(j) ? this.radius * 1.75 : 0;
  }

  /** The y of the waypoints of an arc, in steps. @param {number} e */
  waypoints(e) {
    const { routes } = this.graph;
    return routes ? routes.y.subarray(routes.start[e], routes.start[e + 1]) : [];
  }

  /**
   * The curve of an arc: where it starts and the cubic pieces that follow, six numbers each.
   * @param {number} e @returns {{start: [number, number], pieces: number[][]}}
   */
  arc(e) {
    const { tail, head, level } = this.graph;
    const [i, j] = [tail[e], head[e]];
    const [x0, y0] = this.node(i);
    const [x1, y1] = this.node(j);
    const way = this.waypoints(e);
    const r = this.radius;
    const stops = [[x0 + this.apart(i) + r, y0]];
    for (let k = 0; k < way.length; k++) {
      stops.push([this.left + (level[i] + 1 + k) * this.stepX, this.top + way[k] * this.stepY]);
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
    for (let j = 0; j < this.graph.nNodes; j++) {
      const [nx, ny] = this.node(j);
      const distance = Math.hypot(Math.max(0, Math.abs(x - nx) - this.apart(j)), y - ny);
      if (distance < nearest) [found, nearest] = [j, distance];
    }
    return found;
  }

  /** The arc nearest to a point, if it is within 6 pixels, or null. @param {number} x @param {number} y */
  arcAt(x, y) {
    let [found, nearest] = [null, 6];
    for (let e = 0; e < this.graph.nArcs; e++) {
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

/** How far each arc bends, in steps, so that parallel ones are told apart. @param {import("./graph.js").Graph} graph */
function bows(graph) {
  const seen = new Map();
  const found = new Float64Array(graph.nArcs);
  for (let e = 0; e < graph.nArcs; e++) {
    const pair = graph.tail[e] * graph.nNodes + graph.head[e];
    const k = seen.get(pair) ?? 0;
    seen.set(pair, k + 1);
    found[e] = BOW * Math.floor((k + 1) / 2) * (k % 2 ? 1 : -1);
  }
  return found;
}
