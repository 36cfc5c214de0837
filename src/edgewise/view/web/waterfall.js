/** The gradient budget as a waterfall: from the loss to the last level, what weights, gates and interference add. */

import { decibels, draw, pressed, real, scale, ticks } from "./charts.js";
import { make } from "./dom.js";
import { Levels } from "./levels.js";
import { plural } from "./numbers.js";

const PARTS = [["weights", "weights_db"], ["gates", "gates_db"], ["interference", "interference_db"]];
const SIZE_OF_WATERFALL = { height: 320, left: 58, right: 12, top: 14, bottom: 42 };
let drawn = 0;

/**
 * The bars of a waterfall, in decibels: each part from where the one before it ended, up to the first level at which
 * nothing arrives any more, or what has no size: nothing is to be told of those behind it.
 * @param {{level: number, total_db: number, [part: string]: number}[]} rows
 */
export function bars(rows) {
  let reached = 0;
  /** @type {{level: number, part: string, from: number, to: number}[]} */ const found = [];
  for (const row of rows) {
    for (const [part, column] of PARTS) {
      const to = reached + row[column];
      found.push({ level: row.level, part, from: reached, to });
      if (Number.isFinite(to)) reached = to;
    }
    if (!Number.isFinite(row.total_db)) break;
  }
  return found;
}

/** @param {import("./view.js").Context} context */
export function waterfallSection({ selection }) {
  const chart = make("div", { class: "ew-waterfall" });
  const body = make("tbody");
  const differ = make("p", { class: "ew-note" });
  const table = make(
    "table", { class: "ew-terms ew-budget" },
    make("thead", {}, make("tr", {}, ...["level", "nodes", "weights", "gates", "interference", "total"].map((text) =>
      make("th", { scope: "col", text })))),
    body,
  );
  const kind = `ew-w${++drawn}`;
  const element = make(
    "section", { class: "ew-section ew-budget-section", "aria-label": "Gradient budget" },
    make("h2", { text: "Gradient budget" }),
    make("p", { class: "ew-note", text: "What becomes of the gradient on its way from the target to each level, in "
      + "decibels: −20 dB is a tenth. Level by level three bars, each beginning where the one before it ended." }),
    make("p", { class: "ew-legend" }, ...PARTS.map(([part]) => make("span", { class: "ew-key" }, swatch(kind, part), part))),
    make("div", { class: "ew-beside" }, chart, make("div", { class: "ew-scroll" }, table)),
    differ,
  );
  /** @type {Levels} */ let levels;
  /** @type {[number, Element][]} */ let marked = [];

  function light() {
    const chosen = levels.holding(selection.nodes);
    for (const [level, mark] of marked) mark.classList.toggle("ew-lit", chosen.has(level));
  }

  function choose(/** @type {number} */ level) {
    selection.set({ nodes: levels.nodes[level] ?? [] });
  }

  const end = selection.subscribe(light);
  return {
    element,
    /** @param {any} data */
    update(data) {
      levels = new Levels(data);
      const numbers = (/** @type {any} */ row) =>
        Object.fromEntries(Object.entries(row).map(([name, told]) => [name, name === "name" ? told : real(told)]));
      const rows = data.report.budget.rows.map(numbers);
      const { picture, groups } = waterfall(rows, kind, levels, choose);
      chart.replaceChildren(picture);
      const lines = rows.map((/** @type {any} */ row) => tableRow(row, levels.name(row.level), () => choose(row.level)));
      body.replaceChildren(...lines, tableRow(numbers(data.report.budget.total), "all", null));
      marked = [...groups, ...rows.map((/** @type {any} */ row, /** @type {number} */ k) => [row.level, lines[k]])];
      const { spread_db: told } = data.report;
      differ.hidden = !told;
      if (told) {
        const [low, middle, high] = [told.p05, told.p50, told.p95].map((x) => decibels(real(x)));
        differ.textContent = `Samples differ: of what arrives at the last level the median is ${middle}, and nine of ten `
          + `samples lie from ${low} to ${high}.`;
      }
      light();
    },
    close: () => void end(),
  };
}

/** @param {any} row @param {string} name @param {(() => void) | null} choose */
function tableRow(row, name, choose) {
  const first = choose
    ? make("button", { type: "button", class: "ew-link", text: `level ${name}`, onclick: choose })
    : make("strong", { text: name });
  return make(
    "tr", {}, make("th", { scope: "row" }, first), make("td", { text: String(row.n_nodes) }),
    ...[...PARTS.map(([, column]) => column), "total_db"].map((column) => make("td", { text: decibels(row[column]) })),
  );
}

/** @param {any[]} rows @param {string} kind @param {Levels} levels @param {(level: number) => void} choose */
function waterfall(rows, kind, levels, choose) {
  const all = bars(rows);
  const ends = all.flatMap(({ from, to }) => [from, to]).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const [floor, ceiling] = [low - 0.06 * (high - low || 1), high + 0.06 * (high - low || 1)];
  const { height, left, right, top, bottom } = SIZE_OF_WATERFALL;
  const step = Math.min(110, 620 / Math.max(rows.length, 1)); // as wide as the text beside it is large
  const width = left + right + step * rows.length;
  const y = scale([floor, ceiling], [height - bottom, top]);
  const thick = (step * 0.8) / PARTS.length;
  const every = Math.ceil(28 / step);
  const groups = rows.map((row, k) => {
    const x = left + k * step;
    const told = [...PARTS, ["total", "total_db"]].map(([part, column]) => `${part} ${decibels(row[column])}`).join(", ");
    const label = `Level ${levels.name(row.level)}, ${plural(row.n_nodes, "node")}: ${told}`;
    const group = draw(
      "g", {
        class: "ew-level", role: "button", tabindex: 0, "aria-label": `${label}. Choose its nodes.`,
        onclick: () => choose(row.level), onkeydown: pressed(() => choose(row.level)),
      },
      draw("title", { text: label }),
      draw("rect", { class: "ew-band", x, y: top, width: step, height: height - bottom - top }),
      ...all.slice(k * PARTS.length, (k + 1) * PARTS.length).flatMap(({ part, from, to }, p) => {
        const stop = Number.isNaN(to) ? from : Math.max(floor, Math.min(ceiling, to));
        const [a, b] = [y(Math.max(from, stop)), y(Math.min(from, stop))];
        const at = x + step * 0.1 + p * thick;
        return [
          draw("rect", { class: `ew-bar ew-${part}`, x: at, y: a, width: Math.max(1, thick - 1), height: Math.max(1, b - a) }),
          draw("rect", { fill: `url(#${kind}-${part})`, x: at, y: a, width: Math.max(1, thick - 1), height: Math.max(1, b - a), "pointer-events": "none" }),
          Number.isFinite(to) ? null
            : draw("text", { class: "ew-tick ew-apart", x: at + thick / 2, y: to > 0 ? a + 12 : b - 3, "text-anchor": "middle", text: Number.isNaN(to) ? "?" : to > 0 ? "∞" : "−∞" }),
        ];
      }),
      k % every ? null
        : draw("text", { class: "ew-tick", x: x + step / 2, y: height - bottom + 17, "text-anchor": "middle", text: String(row.level * levels.every) }),
    );
    return /** @type {[number, Element]} */ ([row.level, group]);
  });
  const joints = rows.slice(1, all.length / PARTS.length).map((_, k) => {
    const { from } = all[(k + 1) * PARTS.length];
    const x = left + (k + 1) * step;
    return draw("line", { class: "ew-joint", x1: x - step * 0.1, x2: x + step * 0.1, y1: y(from), y2: y(from) });
  });
  const picture = draw(
    "svg", { class: "ew-chart ew-wide", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Waterfall of the gradient budget" },
    draw("defs", {}, ...PARTS.map(([part]) => pattern(kind, part))),
    ...ticks(floor, ceiling, 6).flatMap((number) => [
      draw("line", { class: number === 0 ? "ew-zero" : "ew-grid", x1: left, x2: width - right, y1: y(number), y2: y(number) }),
      draw("text", { class: "ew-tick", x: left - 7, y: y(number) + 4, "text-anchor": "end", text: String(number).replace("-", "−") }),
    ]),
    draw("text", { class: "ew-axis", x: 14, y: height / 2 - 10, transform: `rotate(-90 14 ${height / 2 - 10})`, "text-anchor": "middle", text: "decibels" }),
    ...groups.map(([, group]) => group),
    ...joints,
    draw("text", { class: "ew-axis", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle", text: "level: arcs to the target" }),
  );
  return { picture, groups };
}

/** Marks on the bars, so that they are told apart without colour: none, strokes, dots.
 * @param {string} kind @param {string} part */
function pattern(kind, part) {
  const mark = { gates: () => draw("path", { class: "ew-mark", d: "M0 6 L6 0" }), interference: () => draw("circle", { class: "ew-mark-dot", cx: 3, cy: 3, r: 1.2 }) }[part];
  return draw("pattern", { id: `${kind}-${part}`, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, mark ? mark() : null);
}

/** @param {string} kind @param {string} part */
function swatch(kind, part) {
  return draw("svg", { viewBox: "0 0 16 12", width: 16, height: 12, "aria-hidden": "true" },
    draw("rect", { class: `ew-bar ew-${part}`, width: 16, height: 12 }),
    draw("rect", { fill: `url(#${kind}-${part})`, width: 16, height: 12 }));
}
