/** Paths between two chosen nodes: how many, the strongest, their products and their sum beside S(i,t). */

import { make } from "./dom.js";
import { factor, plural, printable, short, shown } from "./numbers.js";
import { countPaths, sensitivities, topPaths } from "./paths.js";

const MOST_LISTED = 1000;
const MOST_IN_MENU = 1000;

export class PathPanel {
  /** @param {(chosen: {nodes: number[], arcs: number[]}) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.from = make("span", {});
    this.to = make("span", {});
    this.ends = [0, 0];
    this.most = make("select", { "aria-label": "How many paths", class: "ew-select" },
      ...[["5", "the 5 strongest"], ["20", "the 20 strongest"], [String(MOST_LISTED), "all"]].map(([value, text]) => make("option", { value, text })));
    this.most.addEventListener("change", () => this.write());
    this.list = make("div", { class: "ew-paths", "aria-live": "polite" });
    this.element = make("details", { class: "ew-path-panel" },
      make("summary", { text: "Paths" }),
      make("div", { class: "ew-row" }, make("span", { text: "from " }), this.from, make("span", { text: " to " }), this.to, this.most), this.list);
    this.element.addEventListener("toggle", () => this.write());
  }

  /** @param {import("./graph.js").Graph} graph @param {import("./passes.js").Pass} pass
   * @param {import("./passes.js").Moment} moment */
  show(graph, pass, moment) {
    if (this.graph !== graph) {
      this.ends = [graph.inputs[0] ?? graph.order[0], pass.target ?? graph.outputs[0]];
      this.from.replaceChildren(this.chooser(graph, "Path from", 0));
      this.to.replaceChildren(this.chooser(graph, "Path to", 1));
    }
    [this.graph, this.pass, this.moment] = [graph, pass, moment];
    this.write();
  }

  /** A menu of nodes, or where there are many a field for a name. @param {import("./graph.js").Graph} graph
   * @param {string} label @param {number} end */
  chooser(graph, label, end) {
    if (graph.nNodes <= MOST_IN_MENU) {
      const menu = make("select", { "aria-label": label, class: "ew-select" },
        ...Array.from(graph.order, (j) => make("option", { value: j, text: short(graph.names[j], 24) })));
      menu.value = String(this.ends[end]);
      menu.addEventListener("change", () => this.set(end, Number(menu.value)));
      return menu;
    }
    const field = make("input", { "aria-label": label, class: "ew-select", value: printable(graph.names[this.ends[end]].slice(0, 100)) });
    field.addEventListener("change", () => {
      const found = graph.names.indexOf(field.value);
      field.setAttribute("aria-invalid", String(found < 0));
      if (found >= 0) this.set(end, found);
    });
    return field;
  }

  /** @param {number} end @param {number} node */
  set(end, node) {
    this.ends[end] = node;
    this.write();
  }

  write() {
    const { graph, pass, moment } = this;
    if (!graph || !pass || !moment || !this.element.open) return;
    const [i, t] = this.ends;
    const z = moment.edgeDerivative;
    const ways = countPaths(graph, i, t);
    const found = topPaths(graph, z, i, t, Number(this.most.value));
    const sum = found.reduce((all, path) => all + path.product, 0);
    const whole = t === pass.target ? moment.sensitivity[i] : sensitivities(graph, z, t)[i];
    const [from, to] = [short(graph.names[i], 24), short(graph.names[t], 24)];
    const complete = BigInt(found.length) === ways;
    this.list.replaceChildren(
      make("p", { class: "ew-line", text: ways === 0n ? `No path leads from ${from} to ${to}: S(${from}, ${to}) = 0.`
        : `${plural(ways, "path")}${complete ? "" : `, the ${found.length} strongest of them here`}` }),
      make("ol", { class: "ew-path-list" }, ...found.map((path) => this.item(path, i))),
      ...(ways === 0n ? [] : [make("p", { class: "ew-line ew-sum", text: complete
        ? `Σ of the products = ${shown(sum)} = S(${from}, ${to}), by the recursion ${shown(whole)}`
        : `Σ of those here = ${shown(sum)}; of all, S(${from}, ${to}) = ${shown(whole)}` })]),
    );
  }

  /** @param {{arcs: number[], product: number}} path @param {number} i */
  item({ arcs, product }, i) {
    const { graph, moment } = this;
    if (!graph || !moment) return make("li");
    const nodes = [i, ...arcs.map((e) => graph.head[e])];
    const named = nodes.length <= 9 ? nodes : [...nodes.slice(0, 4), -1, ...nodes.slice(-4)];
    const words = named.map((j) => (j < 0 ? `… (${nodes.length - 8} more) …` : short(graph.names[j], 12))).join(" → ");
    const factors = arcs.length === 0 ? "1" : arcs.length <= 6
      ? arcs.map((e) => factor(moment.edgeDerivative[e], 3)).join("·") : `∏ of ${arcs.length} z`;
    return make("li", {},
      make("button", { type: "button", class: "ew-link", onclick: () => this.choose({ nodes, arcs }) }, make("bdi", { text: words })),
      make("span", { class: "ew-product", text: ` ${factors} = ${shown(product)}` }));
  }
}
