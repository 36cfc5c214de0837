/** How values, gates and sensitivities are distributed: of every level a histogram over its nodes and all samples. */

import { unpackRows } from "./arrays.js";
import { draw, pressed, scale, ticks } from "./charts.js";
import { make } from "./dom.js";
import { Levels } from "./levels.js";
import { plural, shown } from "./numbers.js";

const BOX = { width: 340, left: 34, right: 8, row: 30, bottom: 34 };
const QUANTITIES = [
  ["value", "Values", "y", "not finite"],
  ["gate", "Gates", "Φ′", "not finite"],
  ["sensitivity_db", "Sensitivities", "|S| in decibels", "are 0"],
];

/** @param {import("./view.js").Context} context */
export function distributionsSection({ selection }) {
  const grid = make("div", { class: "ew-maps" });
  const remark = make("p", { class: "ew-note" });
  const element = make(
    "section", { class: "ew-section ew-distributions", "aria-label": "Distributions" },
    make("h2", { text: "Distributions" }), remark, grid,
  );
  /** @type {Levels} */ let levels;
  /** @type {[number, Element][]} */ let rows = [];
  function light() {
    const chosen = levels.holding(selection.nodes);
    for (const [level, row] of rows) row.classList.toggle("ew-lit", chosen.has(level));
  }
  const end = selection.subscribe(light);
  return {
    element,
    /** @param {any} data */
    update(data) {
      levels = new Levels(data);
      const some = data.report.distributions.levels;
      remark.textContent = "Of each level how often which number comes up, over its nodes and all samples; each is as high "
        + `as its own highest.${some.length < levels.count ? ` ${some.length} of ${levels.count} levels are shown.` : ""}`;
      rows = [];
      const choose = (/** @type {number} */ level) => selection.set({ nodes: levels.nodes[level] });
      grid.replaceChildren(...QUANTITIES.map(([key, title, unit, apart]) => {
        const found = ridges(data.report.distributions[key], some, levels, `${title}, ${unit}`, apart, choose);
        rows.push(...found.rows);
        return make("figure", { class: "ew-figure" }, make("figcaption", {}, make("strong", { text: title }), ` ${unit}`), found.picture);
      }));
      light();
    },
    close: () => void end(),
  };
}

/** @param {any} told @param {number[]} some levels, of which it tells @param {Levels} levels @param {string} title
 * @param {string} apart @param {(level: number) => void} choose */
function ridges(told, some, levels, title, apart, choose) {
  const counts = unpackRows(told.counts);
  const bins = told.counts.shape[1];
  const height = BOX.row * some.length + BOX.bottom;
  const x = scale([told.low, told.high], [BOX.left, BOX.width - BOX.right]);
  const wide = (BOX.width - BOX.left - BOX.right) / bins;
  const rows = some.map((level, k) => {
    const here = counts[k];
    const base = BOX.row * (k + 1);
    const all = here.reduce((sum, n) => sum + n, 0);
    const highest = here.reduce((most, n) => Math.max(most, n), 0);
    const without = told.apart[k];
    const label = `Level ${levels.name(level)}: ${plural(all, "number")}, ${middle(here, told)}`
      + (without ? `; ${plural(without, "number")} ${apart}` : "");
    const steps = Array.from(here, (n, b) => {
      const y = (base - (highest ? n / highest : 0) * (BOX.row - 5)).toFixed(1);
      return `L${(BOX.left + b * wide).toFixed(1)} ${y}L${(BOX.left + (b + 1) * wide).toFixed(1)} ${y}`;
    });
    const row = draw(
      "g", {
        class: "ew-level", role: "button", tabindex: 0, "aria-label": `${label}. Choose its nodes.`,
        onclick: () => choose(level), onkeydown: pressed(() => choose(level)),
      },
      draw("title", { text: label }),
      draw("rect", { class: "ew-band", x: 0, y: base - BOX.row, width: BOX.width, height: BOX.row }),
      draw("line", { class: "ew-grid", x1: BOX.left, x2: BOX.width - BOX.right, y1: base, y2: base }),
      all ? draw("path", { class: "ew-ridge", d: `M${BOX.left} ${base}${steps.join("")}L${BOX.width - BOX.right} ${base}Z` })
        : draw("text", { class: "ew-tick", x: BOX.left + 6, y: base - 8, text: without ? apart : "no numbers" }),
      draw("text", { class: "ew-tick", x: BOX.left - 7, y: base - 6, "text-anchor": "end", text: String(level * levels.every) }),
      all && without
        ? draw("text", { class: "ew-tick ew-apart", x: BOX.left + 2, y: base - BOX.row + 14,
          text: `${percent(without / (all + without))} ${apart}` }) : null,
    );
    return /** @type {[number, Element]} */ ([level, row]);
  });
  const picture = draw(
    "svg", { class: "ew-chart", viewBox: `0 0 ${BOX.width} ${height}`, role: "group", "aria-label": `Distributions: ${title}` },
    ...rows.map(([, row]) => row),
    ...ticks(told.low, told.high, 4).map((number) =>
      draw("text", { class: "ew-tick", x: x(number), y: BOX.row * some.length + 16, "text-anchor": "middle", text: shown(number, 3) })),
  );
  return { picture, rows };
}

/** @param {number} share */
function percent(share) {
  return share < 0.01 ? "< 1 %" : share > 0.99 ? "> 99 %" : `${(100 * share).toFixed(0)} %`;
}

/** Where the middle half lies. @param {ArrayLike<number>} counts @param {{low: number, high: number}} told */
function middle(counts, { low, high }) {
  const all = Array.from(counts).reduce((sum, n) => sum + n, 0);
  if (!all) return "none";
  const at = (/** @type {number} */ share) => {
    let seen = 0;
    for (let b = 0; b < counts.length; b++) {
      seen += counts[b];
      if (seen >= share * all) return low + ((b + 0.5) / counts.length) * (high - low);
    }
    return high;
  };
  return `half of them about ${shown(at(0.25), 3)} to ${shown(at(0.75), 3)}`;
}
