/** The network painted on a canvas: arcs first, gathered so that few strokes paint many, then nodes and their gates. */

import { readable } from "./palette.js";
import { short } from "./numbers.js";

const WIDTHS = 4;
const FONT = "system-ui, sans-serif";

/** Paths of all arcs, by sign and width.
 * @param {import("./geometry.js").Geometry} geometry @param {ArrayLike<number>} strength one number an arc */
export function arcBundles(geometry, strength) {
  const arcs = Array.from(geometry.figure.arcs);
  const sizes = arcs.map((e) => Math.abs(strength[e])).filter(Number.isFinite);
  const thin = Math.min(1, 0.4 + geometry.radius / 20);
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  /** @type {Map<number, {negative: boolean, width: number, share: number, path: Path2D}>} */ const bundles = new Map();
  for (const e of arcs) {
    const negative = strength[e] < 0;
    const size = largest > 0 ? Math.ceil(Math.min(1, Math.abs(strength[e]) / largest || 0) * WIDTHS) : 0;
    const key = size * 2 + Number(negative);
    const share = size / WIDTHS;
    let bundle = bundles.get(key);
    if (!bundle) bundles.set(key, (bundle = { negative, width: (0.5 + 2.5 * share) * thin, share, path: new Path2D() }));
    trace(bundle.path, geometry.arc(e));
  }
  return [...bundles.values()];
}

/** @param {Path2D | CanvasRenderingContext2D} path @param {{start: [number, number], pieces: number[][]}} curve */
function trace(path, { start, pieces }) {
  path.moveTo(...start);
  for (const [a, b, c, d, x, y] of pieces) path.bezierCurveTo(a, b, c, d, x, y);
}

/** @param {CanvasRenderingContext2D} context @param {ReturnType<typeof arcBundles>} bundles
 * @param {import("./palette.js").Palette} palette @param {number} opacity of the strongest */
export function paintArcs(context, bundles, palette, opacity) {
  context.save();
  for (const { negative, width, share, path } of bundles) {
    context.globalAlpha = Math.min(1, opacity * (0.4 + 0.6 * share));
    context.strokeStyle = negative ? palette.negative : palette.positive;
    context.lineWidth = width;
    context.setLineDash(negative ? [5, 3] : []);
    context.stroke(path);
  }
  context.restore();
}

/** Arcs that stand out, one by one. @param {CanvasRenderingContext2D} context
 * @param {import("./geometry.js").Geometry} geometry @param {import("./palette.js").Palette} palette
 * @param {Iterable<number>} arcs
 * @param {(e: number) => boolean} negative @param {string} colour */
export function paintChosen(context, geometry, palette, arcs, negative, colour) {
  context.save();
  for (const e of arcs) {
    context.beginPath();
    trace(context, geometry.arc(e));
    for (const [ink, width, dashes] of [[palette.paper, 6, []], [colour, 3, negative(e) ? [6, 4] : []]]) {
      context.strokeStyle = ink;
      context.lineWidth = width;
      context.setLineDash(dashes);
      context.stroke();
    }
  }
  context.restore();
}

/**
 * @typedef {object} Look how a node is to be painted
 * @property {string | null} fill null: not reached yet
 * @property {string} text what stands in it
 * @property {number | null} open how far its gate is open, null: no gate
 * @property {string | null} ring the colour of its outline if it stands out
 * @property {{fill: string | null, text: string}} linear fill and text of j⁻, where neurons are decoupled
 */

/** @param {CanvasRenderingContext2D} context @param {import("./geometry.js").Geometry} geometry
 * @param {import("./palette.js").Palette} palette @param {(j: number) => Look} lookOf */
export function paintNodes(context, geometry, palette, lookOf) {
  const { graph, radius } = geometry;
  context.save();
  context.textAlign = "center";
  context.textBaseline = "middle";
  const letters = Math.max(3, Math.floor(geometry.stepX / 8));
  for (const j of Array.from(geometry.figure.nodes)) {
    const [x, y] = geometry.node(j);
    if (x < -50 || y < -50 || x > context.canvas.clientWidth + 50 || y > context.canvas.clientHeight + 50) continue;
    const look = lookOf(j);
    const apart = geometry.apart(j);
    if (apart) {
      paintWay(context, palette, x - apart, x + apart, y);
      outline(context, palette, { ...look, fill: look.linear.fill }, () => context.arc(x - apart, y, radius, 0, 2 * Math.PI));
      write(context, palette, look.linear, x - apart, y, radius);
    }
    if (graph.isOutput.has(j)) {
      outline(context, palette, { ...look, fill: palette.paper }, () => context.arc(x + apart, y, radius + 3, 0, 7));
    }
    outline(context, palette, look, () => {
      if (graph.isInput.has(j)) context.rect(x + apart - radius, y - radius, 2 * radius, 2 * radius);
      else context.arc(x + apart, y, radius, 0, 2 * Math.PI);
    });
    if (look.open !== null && radius >= 3) paintGate(context, geometry, palette, x, y, apart, look.open, graph.isOutput.has(j));
    write(context, palette, look, x + apart, y, radius);
    if (geometry.named) {
      context.font = `12px ${FONT}`;
      const name = short(graph.names[j], Math.min(20, letters));
      const below = y + radius + (graph.isOutput.has(j) ? 12 : 9);
      context.lineWidth = 3;
      context.lineJoin = "round";
      context.strokeStyle = palette.paper;
      context.strokeText(name, x, below);
      context.fillStyle = palette.text;
      context.fillText(name, x, below);
    }
  }
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {import("./palette.js").Palette} palette @param {Look} look
 * @param {() => void} shape */
function outline(context, palette, look, shape) {
  context.beginPath();
  shape();
  context.fillStyle = look.fill ?? palette.paper;
  context.fill();
  context.strokeStyle = look.ring ?? (look.fill ? palette.text : palette.muted);
  context.lineWidth = look.ring ? 3 : 1;
  context.stroke();
}

/** The number in a node, if there is room. @param {CanvasRenderingContext2D} context
 * @param {import("./palette.js").Palette} palette @param {{fill: string | null, text: string}} look
 * @param {number} x @param {number} y @param {number} radius */
function write(context, palette, { fill, text }, x, y, radius) {
  if (!text || radius < 13) return;
  context.font = `${Math.round(Math.min(12, radius * 0.62))}px ${FONT}`;
  if (context.measureText(text).width > 2 * radius - 3) return;
  context.fillStyle = fill ? readable(fill) : palette.text;
  context.fillText(text, x, y);
}

/** The arc from j⁻ to j⁺, which the gate stands in. @param {CanvasRenderingContext2D} context
 * @param {import("./palette.js").Palette} palette @param {number} from @param {number} to @param {number} y */
function paintWay(context, palette, from, to, y) {
  context.beginPath();
  context.moveTo(from, y);
  context.lineTo(to, y);
  context.strokeStyle = palette.muted;
  context.lineWidth = 1;
  context.stroke();
}

/** Two leaves behind a neuron's sum: shut they bar the way, open they lie along it.
 * @param {CanvasRenderingContext2D} context @param {import("./geometry.js").Geometry} geometry
 * @param {import("./palette.js").Palette} palette @param {number} x @param {number} y @param {number} apart
 * @param {number} open @param {boolean} isOutput */
function paintGate(context, geometry, palette, x, y, apart, open, isOutput) {
  const { radius } = geometry;
  const leaf = Math.max(2.5, radius * 0.55);
  const post = apart ? x - leaf / 2 : x + radius + (isOutput ? 6 : 3);
  const angle = (open * Math.PI) / 2;
  context.strokeStyle = palette.text;
  context.lineWidth = radius >= 8 ? 2.5 : 1.5;
  context.beginPath();
  for (const side of [-1, 1]) {
    context.moveTo(post, y + side * leaf);
    context.lineTo(post + leaf * Math.sin(angle), y + side * leaf * (1 - Math.cos(angle)));
  }
  context.stroke();
}
