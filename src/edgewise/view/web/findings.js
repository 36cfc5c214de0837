/** What is wrong, on which evidence, and what became of it where remedies were tried. */

import { unpackPlaces } from "./arrays.js";
import { decibels, real } from "./charts.js";
import { make } from "./dom.js";
import { Levels } from "./levels.js";
import { plural, printable, short, shown } from "./numbers.js";

const SIGNS = { error: "✖", warning: "▲", note: "●" };
const SPOKEN = { _db: " (dB)" };

/** @param {import("./view.js").Context} context */
export function findingsSection({ selection }) {
  const list = make("div", { class: "ew-findings" });
  const element = make("section", { class: "ew-section", "aria-label": "Findings" }, make("h2", { text: "Findings" }), list);
  /** @type {{nodes: number[], button: HTMLButtonElement, card: HTMLElement}[]} */ let cards = [];

  function light() {
    for (const { nodes, button, card } of cards) {
      const lit = nodes.length > 0 && nodes.length === selection.nodes.size && nodes.every((j) => selection.nodes.has(j));
      button.setAttribute("aria-pressed", String(lit));
      card.classList.toggle("ew-lit", lit);
    }
  }
  const end = selection.subscribe(light);
  return {
    element,
    /** @param {any} data */
    update(data) {
      const levels = new Levels(data);
      cards = data.report.findings.map((/** @type {any} */ finding) => {
        const nodes = nodesOf(finding, levels);
        const button = make("button", {
          type: "button", class: "ew-button", disabled: nodes.length === 0, "aria-pressed": "false",
          text: nodes.length ? `Show its ${plural(nodes.length, "node")}` : "Of no single node",
          onclick: () => selection.set(button.getAttribute("aria-pressed") === "true" ? {} : { nodes }),
        });
        return { nodes, button, card: cardOf(finding, button) };
      });
      list.replaceChildren(...cards.map(({ card }) => card));
      if (!cards.length) list.append(make("p", { text: "Nothing is found: as far as these samples tell, it learns." }));
      light();
    },
    close: () => void end(),
  };
}

/** The nodes that a finding is of; those of its levels, where it is of whole levels. @param {any} finding
 * @param {Levels} levels @returns {number[]} */
export function nodesOf(finding, levels) {
  const nodes = unpackPlaces(finding.nodes);
  const rows = new Set(finding.levels.map((/** @type {number} */ d) => Math.floor(d / levels.every)));
  return nodes.length ? nodes : [...rows].flatMap((row) => levels.nodes[row] ?? []);
}

/** @param {any} finding @param {HTMLButtonElement} button */
function cardOf(finding, button) {
  const { code, cause, severity, levels, evidence, says, remedy, trials } = finding;
  return make(
    "article", { class: `ew-finding ew-is-${severity}` },
    make("h3", {}, make("span", { class: "ew-sign", "aria-hidden": "true", text: SIGNS[severity] }),
      ` ${severity}: ${code.replaceAll("_", " ")} `, make("small", { text: `cause: ${cause}${where(levels)}` })),
    make("p", { text: printable(says) }),
    make("dl", { class: "ew-evidence" }, ...Object.entries(evidence).map(([name, told]) =>
      make("div", {}, make("dt", { text: spoken(name) }), make("dd", { text: toldOf(name, told), dir: "auto" })))),
    make("p", {}, make("small", { text: "May help: " }), remedy),
    trials.length ? trialTable(trials) : null,
    make("p", { class: "ew-actions" }, button),
  );
}

/** @param {number[]} levels */
function where(levels) {
  if (!levels.length) return "";
  const some = levels.slice(0, 12).join(", ");
  return `, at ${levels.length === 1 ? "level" : "levels"} ${some}${levels.length > 12 ? ", …" : ""}`;
}

/** @param {string} name */
function spoken(name) {
  const end = Object.keys(SPOKEN).find((suffix) => name.endsWith(suffix));
  return (end ? name.slice(0, -end.length) + SPOKEN[end] : name).replaceAll("_", " ");
}

/** @param {string} name @param {any} told */
function toldOf(name, told) {
  if (typeof told === "string" && Number.isNaN(real(told)) && told !== "nan") return short(told, 200);
  return name.endsWith("_db") ? decibels(real(told)) : shown(real(told));
}

/** @param {any[]} trials */
function trialTable(trials) {
  return make(
    "table", { class: "ew-terms ew-trials" }, make("caption", { text: "Remedies, tried on these samples, the best first" }),
    make("thead", {}, make("tr", {}, ...["remedy", "what it does", "from the loss to the last level", "then"].map((text) => make("th", { scope: "col", text })))),
    make("tbody", {}, ...trials.map(({ remedy, says, solved, budget, findings }) =>
      make("tr", {},
        make("th", { scope: "row", text: remedy.replaceAll("_", " ") }),
        make("td", { text: says }),
        make("td", { text: decibels(real(budget.total.total_db) - real(budget.rows[0].total_db)) }),
        make("td", { text: `${solved ? "✔ gone" : "✖ not gone"}${findings.length ? `; found: ${findings.map((/** @type {string} */ f) => f.replaceAll("_", " ")).join(", ")}` : ""}` })))),
  );
}
