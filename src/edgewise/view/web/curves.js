/** Learning curves: the loss and the metric, in training and in validation, epoch by epoch. */

import { draw, extent, logTicks, real, scale, ticks } from "./charts.js";
import { make } from "./dom.js";
import { shown } from "./numbers.js";

const SIZE = { width: 560, height: 250, left: 62, right: 14, top: 12, bottom: 40 };
const SERIES = [["", "training", "ew-training"], ["validation_", "validation", "ew-validation"]];

export function curvesSection() {
  const charts = make("div", { class: "ew-pair" });
  const element = make(
    "section", { class: "ew-section ew-curves", "aria-label": "Learning curves" }, make("h2", { text: "Learning curves" }),
    make("p", { class: "ew-legend" }, key("ew-training", "training"), key("ew-validation", "validation, dashed"),
      key("ew-best", "the epoch that was kept")),
    charts,
  );
  return {
    element,
    /** @param {any} data */
    update({ report }) {
      const { curves } = report;
      const rows = [["loss", "loss"], ["metric", curves.metric_name]];
      charts.replaceChildren(...rows.map(([column, name]) => chart(curves, column, name)));
    },
    close() {},
  };
}

/** @param {string} look @param {string} text */
function key(look, text) {
  const line = draw("svg", { viewBox: "0 0 28 10", width: 28, height: 10, "aria-hidden": "true" },
    draw("line", { class: look, x1: 1, x2: 27, y1: 5, y2: 5 }));
  return make("span", { class: "ew-key" }, line, text);
}

/** @param {any} curves @param {string} column @param {string} name */
function chart(curves, column, name) {
  const epochs = curves.epoch.map(real);
  const series = SERIES.flatMap(([prefix, label, look]) => {
    const numbers = curves[prefix + column];
    return numbers?.length ? [{ label, look, numbers: numbers.map(real) }] : [];
  });
  const [low, high] = extent(series.flatMap(({ numbers }) => numbers));
  const log = column === "loss" && low > 0 && high / low > 4;
  const pad = log ? 1 : (high - low || 1) * 0.04;
  const y = scale(log ? [low / 1.08, high * 1.08] : [low - pad, high + pad], [SIZE.height - SIZE.bottom, SIZE.top], log);
  const x = scale(extent(epochs), [SIZE.left + 6, SIZE.width - SIZE.right - 6]);
  const readout = make("output", { class: "ew-note ew-readout", "aria-live": "polite", text: "\u00a0" });
  const mark = draw("line", { class: "ew-cursor", y1: SIZE.top, y2: SIZE.height - SIZE.bottom, visibility: "hidden" });
  let at = epochs.length - 1;

  function look(k) {
    at = Math.max(0, Math.min(epochs.length - 1, k));
    mark.setAttribute("visibility", "visible");
    mark.setAttribute("x1", x(epochs[at]));
    mark.setAttribute("x2", x(epochs[at]));
    const told = series.map(({ label, numbers }) => `${label} ${shown(numbers[at])}`);
    readout.textContent = `epoch ${epochs[at]}: ${told.join(", ")}`;
  }

  const first = series.map(({ label, numbers }) => `${label} ${shown(numbers[0])} to ${shown(numbers[numbers.length - 1])}`);
  const picture = draw(
    "svg",
    {
      class: "ew-chart", viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img", tabindex: 0,
      "aria-label": `${name} over ${epochs.length} epochs: ${first.join("; ")}. Arrow keys read single epochs.`,
      onpointermove: (/** @type {PointerEvent} */ event) => {
        const box = picture.getBoundingClientRect();
        const here = ((event.clientX - box.left) / box.width) * SIZE.width;
        look(epochs.reduce((best, epoch, k) => (Math.abs(x(epoch) - here) < Math.abs(x(epochs[best]) - here) ? k : best), 0));
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        look(at + by);
      },
    },
    ...(log ? logTicks(low / 1.08, high * 1.08) : ticks(low - pad, high + pad)).flatMap((number) => [
      draw("line", { class: "ew-grid", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: y(number), y2: y(number) }),
      draw("text", { class: "ew-tick", x: SIZE.left - 7, y: y(number) + 4, "text-anchor": "end", text: shown(number) }),
    ]),
    ...ticks(...extent(epochs), 6).filter(Number.isInteger).map((epoch) =>
      draw("text", { class: "ew-tick", x: x(epoch), y: SIZE.height - SIZE.bottom + 17, "text-anchor": "middle", text: shown(epoch) })),
    draw("text", { class: "ew-axis", x: (SIZE.left + SIZE.width - SIZE.right) / 2, y: SIZE.height - 5, "text-anchor": "middle", text: "epoch" }),
    curves.best_epoch === null ? null
      : draw("line", { class: "ew-best", x1: x(curves.best_epoch), x2: x(curves.best_epoch), y1: SIZE.top, y2: SIZE.height - SIZE.bottom }),
    mark,
    ...series.flatMap(({ look: kind, numbers }) => strokes(epochs, numbers, x, y, kind)),
  );
  return make("figure", { class: "ew-figure" }, make("figcaption", { text: log ? `${name}, logarithmic` : name }), picture, readout);
}

/** Lines through what is finite, and a dot where a number stands alone.
 * @param {number[]} epochs @param {number[]} numbers @param {(x: number) => number} x @param {(x: number) => number} y
 * @param {string} look */
function strokes(epochs, numbers, x, y, look) {
  /** @type {[number, number][][]} */ const runs = [[]];
  numbers.forEach((number, k) => {
    if (Number.isFinite(number)) runs[runs.length - 1].push([x(epochs[k]), y(number)]);
    else if (runs[runs.length - 1].length) runs.push([]);
  });
  return runs.filter((points) => points.length).map((points) =>
    points.length === 1
      ? draw("circle", { class: `${look} ew-dot`, cx: points[0][0], cy: points[0][1], r: 3 })
      : draw("polyline", { class: look, points: points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ") }));
}
