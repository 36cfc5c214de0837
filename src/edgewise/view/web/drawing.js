/** The network painted on a canvas: arcs first, then nodes. */

import { colours } from "./palette.js";
import { short } from "./numbers.js";

const WIDTHS = 4;

/** Paths of all arcs, gathered by sign and width so that few strokes paint many.
 * @param {import("./geometry.js").Geometry} geometry @param {ArrayLike<number>} strength one number an arc */
export function arcBundles(geometry, strength) {
  let largest = 0;
  for (let e = 0; e < strength.length; e++) {
    const size = Math.abs(strength[e]);
    if (Number.isFinite(size)) largest = Math.max(largest, size);
  }
  /** @type {Map<number, {negative: boolean, width: number, path: Path2D}>} */ const bundles = new Map();
  for (let e = 0; e < strength.length; e++) {
    const negative = strength[e] < 0;
    const share = largest > 0 ? Math.min(1, Math.abs(strength[e]) / largest || 0) : 0;
    const size = Math.ceil(share * WIDTHS);
    const key = size * 2 + Number(negative);
    let bundle = bundles.get(key);
    if (!bundle) bundles.set(key, (bundle = { negative, width: 0.5 + (2.5 * size) / WIDTHS, path: new Path2D() }));
    trace(bundle.path, geometry.arc(e));
  }
  return [...bundles.values()];
}

/** @param {Path2D | CanvasRenderingContext2D} path @param {{start: [number, number], pieces: number[][]}} curve */
export function trace(path, { start, pieces }) {
  path.moveTo(...start);
  for (const [a, b, c, d, x, y] of pieces) path.bezierCurveTo(a, b, c, d, x, y);
}

/** @param {CanvasRenderingContext2D} context @param {ReturnType<typeof arcBundles>} bundles */
export function paintArcs(context, bundles) {
  const palette = colours();
  context.save();
  context.globalAlpha = 0.6;
  for (const { negative, width, path } of bundles) {
    context.strokeStyle = negative ? palette.negative : palette.positive;
    context.lineWidth = width;
    context.setLineDash(negative ? [5, 3] : []);
    context.stroke(path);
  }
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {import("./geometry.js").Geometry} geometry
 * @param {ReadonlySet<number>} chosen */
export function paintNodes(context, geometry, chosen) {
  const palette = colours();
  const { graph, radius } = geometry;
  context.save();
  context.textAlign = "center";
  context.font = "12px system-ui, sans-serif";
  for (let j = 0; j < graph.nNodes; j++) {
    const [x, y] = geometry.node(j);
    context.beginPath();
    if (graph.isInput.has(j)) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    else context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = palette.paper;
    context.fill();
    context.strokeStyle = chosen.has(j) ? palette.chosen : palette.text;
    context.lineWidth = chosen.has(j) ? 3 : 1;
    context.stroke();
    if (radius >= 8) {
      context.fillStyle = palette.text;
      context.fillText(short(graph.names[j]), x, y + radius + 15);
    }
  }
  context.restore();
}
