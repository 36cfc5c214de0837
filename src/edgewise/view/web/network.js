/** The section of the network: its drawing, the pass through it step by step, and the numbers of what is chosen. */

import { openness } from "./arithmetic.js";
import { make } from "./dom.js";
import { drawnWhole, neighbourhood, whole } from "./figures.js";
import { arcFormulas, nodeButton, nodeFormulas } from "./formulas.js";
import { Graph } from "./graph.js";
import { Matrices } from "./matrices.js";
import { plural, printable, short, shown } from "./numbers.js";
import { colours, onColours, signed } from "./palette.js";
import { Pass } from "./passes.js";
import { PathPanel } from "./path_panel.js";
import { Player } from "./player.js";
import { Stage } from "./stage.js";
import { stepsOf } from "./steps.js";

const HELP = "Keys: → next, ← back (with Shift: a level), Space play, Home and End, N and P choose a node, D decouple, Esc nothing chosen, + − 0 zoom.";

/** @param {import("./view.js").Context} context */
export function networkSection({ selection, looking }) {
  return new NetworkSection(selection, looking);
}

class NetworkSection {
  /** @param {import("./selection.js").Selection} selection @param {import("./looking.js").Looking} looking */
  constructor(selection, looking) {
    this.selection = selection;
    this.looking = looking;
    /** @type {Graph | null} */ this.graph = null;
    /** @type {Pass | null} */ this.pass = null;
    /** @type {import("./passes.js").Moment | null} */ this.moment = null;
    /** @type {import("./steps.js").Step[]} */ this.steps = [];
    this.decoupled = false;
    /** @type {number | null} whose neighbourhood is drawn, where not all is */ this.centre = null;
    this.choose = (/** @type {any} */ chosen) => selection.set(chosen);
    this.stage = new Stage({ picked: this.choose });
    this.matrices = new Matrices({ picked: (node) => this.choose({ nodes: [node] }) });
    this.player = new Player(() => this.stepped());
    this.paths = new PathPanel(this.choose);
    this.panel = make("div", { class: "ew-panel", "aria-label": "The equations with their numbers", role: "region" });
    this.search = make("input", { type: "search", class: "ew-select", placeholder: "Find a node", "aria-label": "Find a node" });
    this.search.addEventListener("change", () => this.find());
    this.split = make("input", { type: "checkbox" });
    this.split.addEventListener("change", () => this.decouple(this.split.checked));
    this.show = make("select", { class: "ew-select", "aria-label": "Colour nodes by" },
      ...[["step", "as the step goes"], ["value", "values y"], ["gate", "gates Φ′"], ["sensitivity", "sensitivities S"]].map(([value, text]) => make("option", { value, text })));
    this.show.addEventListener("change", () => this.repaint());
    this.say = make("p", { class: "ew-say", role: "status" });
    this.legend = make("p", { class: "ew-legend" });
    const zoom = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      make("button", { type: "button", class: "ew-button", text, title: label, "aria-label": label, onclick });
    this.coupling = make("label", { class: "ew-check" }, this.split, "decouple j into j⁻ and j⁺");
    this.tools = make("div", { class: "ew-row" }, this.search, this.show, this.coupling,
      make("span", { class: "ew-buttons" },
        zoom("−", "Zoom out", () => this.stage.zoom(1 / 1.3)), zoom("+", "Zoom in", () => this.stage.zoom(1.3)), zoom("⤢", "Show all", () => this.stage.fit())));
    this.element = make("section", { class: "ew-section ew-network", "aria-label": "Network" },
      make("h2", { text: "The network" }), this.tools, this.player.element,
      make("div", { class: "ew-split" },
        make("div", { class: "ew-drawing" }, this.matrices.element, this.stage.canvas, this.say, this.legend),
        this.panel),
      this.paths.element, make("p", { class: "ew-note ew-help", text: HELP }));
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.pressed(event));
    this.ends = [selection.subscribe(() => this.chosen()), looking.subscribe(() => this.looked()), onColours(() => this.recoloured())];
  }

  /** @param {any} data */
  update(data) {
    const graph = new Graph(data.network);
    this.graph = graph;
    this.pass = data.pass ? new Pass(data.pass, graph) : null;
    this.steps = stepsOf(graph, this.pass);
    const has = Boolean(this.pass);
    this.player.element.hidden = this.paths.element.hidden = this.show.hidden = !has;
    const large = !drawnWhole(graph);
    this.matrices.element.hidden = !large;
    if (large) this.matrices.show(graph);
    if (this.centre === null || this.centre >= graph.nNodes) this.centre = this.pass?.target ?? graph.outputs[0];
    const size = `${plural(graph.nNodes, "node")} and ${plural(graph.nArcs, "arc")}`;
    this.label = `A network of ${size} in ${plural(graph.nLevels, "level")}`;
    this.stage.canvas.setAttribute("aria-label", this.label);
    if (this.pass) this.player.show(graph, this.steps, this.pass, this.looking.sample);
    else this.moment = null;
    this.draw();
    this.stepped(true);
  }

  /** The figure anew: all of it, or the neighbourhood of the chosen node. */
  draw() {
    const { graph } = this;
    if (!graph) return;
    const figure = drawnWhole(graph) ? whole(graph) : neighbourhood(graph, graph.weight, this.centre ?? 0);
    this.stage.show(graph, figure, this.decoupled);
  }

  /** Another section looks at another sample. */
  looked() {
    const { sample } = this.looking;
    if (this.pass && sample !== this.player.place.sample && sample < this.pass.nSamples) this.player.go({ sample });
  }

  /** The step, the sample or the step of training is another. @param {boolean} [stay] keep what is chosen */
  stepped(stay = false) {
    const { graph, pass } = this;
    if (!graph) return;
    const { at, sample, step } = this.player.place;
    if (pass) this.looking.set(sample);
    if (pass && (this.momentOf !== `${sample} ${step}` || stay)) {
      this.moment = pass.at(step, sample);
      this.momentOf = `${sample} ${step}`;
      this.largest = { value: most(this.moment.value), sensitivity: most(this.moment.sensitivity) };
      this.stage.arcsChanged();
      this.paths.show(graph, pass, this.moment);
    } else if (!stay && this.at !== at && this.selection.nodes.size + this.selection.arcs.size) {
      this.selection.set({});
    }
    this.at = at;
    this.reached = this.reachedAt(at);
    const current = this.current;
    if (current && !drawnWhole(graph) && !this.selection.nodes.size && !Array.from(this.stage.geometry?.figure.nodes ?? []).includes(current.node)) {
      this.centre = current.node;
      this.draw();
    }
    this.repaint();
    this.write();
  }

  /** Which nodes have their value and which their sensitivity after so many steps. @param {number} at */
  reachedAt(at) {
    const n = this.graph?.nNodes ?? 0;
    const reached = { forward: new Uint8Array(n), backward: new Uint8Array(n) };
    for (let k = 0; k < Math.min(at, this.steps.length); k++) reached[this.steps[k].phase][this.steps[k].node] = 1;
    return reached;
  }

  /** The step just taken; null before the first, and at the end, where all is there. */
  get current() {
    const at = this.player.place.at;
    return at > 0 && at < this.steps.length ? this.steps[at - 1] : null;
  }

  /** Light, dark, or onto paper, which does not wait for a frame. */
  recoloured() {
    this.repaint(); // nodes are coloured when the picture is made
    this.stage.stale = true;
    this.stage.paint();
    this.matrices.paint();
  }

  /** What was chosen is another. */
  chosen() {
    const node = this.selection.node;
    if (node !== null && this.graph && !drawnWhole(this.graph) && node !== this.centre) {
      this.centre = node;
      this.draw();
    }
    this.repaint();
    this.write();
  }

  /** @param {boolean} whether */
  decouple(whether) {
    this.decoupled = this.split.checked = whether;
    this.draw();
    this.repaint();
  }

  repaint() {
    const { graph, pass, moment, selection, current } = this;
    if (!graph) return;
    const palette = colours();
    const chosen = [{ arcs: selection.arcs, colour: palette.chosen }];
    if (current && !selection.arcs.size) {
      chosen.push({ arcs: current.phase === "forward" ? graph.into[current.node] : graph.outOf[current.node], colour: palette.accent });
    }
    const inFigure = graph.nArcs > 20_000 ? new Set(Array.from(this.stage.geometry?.figure.arcs ?? [])) : null;
    this.stage.picture = {
      strength: moment ? moment.edgeDerivative : graph.weight,
      opacity: graph.nArcs > 1500 ? 0.35 : 0.7,
      look: (j) => this.look(j, palette),
      chosen: inFigure ? chosen.map(({ arcs, colour }) => ({ arcs: [...arcs].filter((e) => inFigure.has(e)), colour })) : chosen,
    };
    this.legend.textContent = legendOf(pass !== null, this.shown, this.decoupled);
    this.stage.repaint();
  }

  /** What nodes are coloured by. @returns {"value" | "gate" | "sensitivity"} */
  get shown() {
    if (this.show.value !== "step") return this.show.value;
    const at = this.player.place.at;
    return at > 0 && this.steps[at - 1]?.phase === "backward" ? "sensitivity" : "value";
  }

  /** @param {number} j @param {import("./palette.js").Palette} palette @returns {import("./drawing.js").Look} */
  look(j, palette) {
    const { graph, moment, selection, current, reached } = this;
    const ring = selection.nodes.has(j) ? palette.chosen : current?.node === j ? palette.accent : null;
    const nothing = { fill: null, text: "" };
    if (!graph || !moment || !reached) return { ...nothing, open: null, ring, linear: nothing };
    const { shown: what } = this;
    const there = what === "sensitivity" && this.show.value === "step" ? reached.backward[j] : reached.forward[j];
    const open = graph.isInput.has(j) || !reached.forward[j] ? null : openness(graph, j, moment.gate[j]);
    if (!there) return { ...nothing, open, ring, linear: nothing };
    const x = moment[what][j];
    const largest = what === "gate" ? (graph.activations[j].max_gate ?? 1) : this.largest?.[what] ?? 1;
    const painted = (/** @type {number} */ number) => {
      const seen = Math.sign(number) * Math.sqrt(Math.abs(number) / largest || 0); // so that small ones are seen too
      return { fill: signed(Number.isNaN(number) ? NaN : seen, 1, palette), text: shown(number, 2) };
    };
    const linear = what === "sensitivity" ? x * moment.gate[j] : what === "value" ? moment.preactivation[j] : 1;
    return { ...painted(x), open, ring, linear: this.decoupled ? painted(linear) : nothing };
  }

  /** The equations of what is chosen, or else of the step. */
  write() {
    const { graph, pass, moment, selection, current } = this;
    if (!graph) return;
    const { at } = this.player.place;
    if (current) {
      const name = short(graph.names[current.node], 24);
      this.say.textContent = `Step ${at}: ${current.phase === "forward" ? `forward, the value of ${name}` : `backward, the sensitivity of ${name}`}`;
    } else if (pass) {
      this.say.textContent = at === 0 ? "Before the pass: press next, or the right arrow key."
        : `Both passes are done: every value, gate and sensitivity ${pass.target === null ? "of the loss J" : `of y(${short(pass.targetName, 24)})`}.`;
    } else this.say.textContent = this.label ?? "";
    if (!pass || !moment) {
      this.panel.replaceChildren(...this.structure());
      return;
    }
    const about = { graph, pass, moment, choose: this.choose };
    const [node, arc] = [selection.node, selection.arc];
    if (node !== null) this.panel.replaceChildren(...nodeFormulas(about, node, "both"));
    else if (arc !== null) this.panel.replaceChildren(...arcFormulas(about, arc));
    else if (selection.nodes.size + selection.arcs.size) {
      this.panel.replaceChildren(make("h3", { text: `${plural(selection.nodes.size, "node")} and ${plural(selection.arcs.size, "arc")} chosen` }),
        make("p", { class: "ew-line" }, ...[...selection.nodes].slice(0, 30).flatMap((j) => [nodeButton(graph, j, this.choose), " "])));
    } else if (current) this.panel.replaceChildren(...nodeFormulas(about, current.node, current.phase));
    else this.panel.replaceChildren(...this.overview(pass, moment));
  }

  /** What is known without a pass. @returns {HTMLElement[]} */
  structure() {
    const { graph, selection } = this;
    if (!graph) return [];
    const [node, arc] = [selection.node, selection.arc];
    if (arc !== null) {
      return [make("h3", {}, nodeButton(graph, graph.tail[arc], this.choose), " → ", nodeButton(graph, graph.head[arc], this.choose)),
        make("p", { class: "ew-line", text: `arc ${arc}, w = ${shown(graph.weight[arc])}` })];
    }
    if (node === null) return [make("p", { class: "ew-note", text: "Choose a node or an arc." })];
    return [make("h3", {}, make("bdi", { text: short(graph.names[node], 60) })),
      make("p", { class: "ew-line", text: graph.isInput.has(node) ? "an input" : `${graph.activations[node].name} of the ${graph.aggregations[node]}, b = ${shown(graph.bias[node])}, r = ${shown(graph.response[node])}` }),
      make("p", { class: "ew-line", text: `${plural(graph.into[node].length, "arc")} in, ${graph.outOf[node].length} out` })];
  }

  /** @param {Pass} pass @param {import("./passes.js").Moment} moment @returns {HTMLElement[]} */
  overview(pass, moment) {
    const { graph } = this;
    if (!graph) return [];
    const loss = moment.loss === null ? [] : [make("p", { class: "ew-line", text: `J = ${shown(moment.loss)}` })];
    const outputs = Array.from(graph.outputs).slice(0, 8).map((o) => make("p", { class: "ew-line" }, "y(", nodeButton(graph, o, this.choose), `) = ${shown(moment.value[o])}`));
    const what = pass.target === null ? "the loss J" : `y(${short(pass.targetName, 24)})`;
    return [make("h3", { text: `The pass of ${what}` }), ...loss, ...outputs,
      make("p", { class: "ew-note", text: "Choose a node for its sums, an arc for its factors, or go through the pass step by step." })];
  }

  find() {
    const { graph } = this;
    const wanted = this.search.value.trim();
    if (!graph || !wanted) return;
    const exact = graph.names.indexOf(wanted);
    const found = exact >= 0 ? exact : graph.names.findIndex((name) => name.toLowerCase().includes(wanted.toLowerCase()));
    this.search.setAttribute("aria-invalid", String(found < 0));
    if (found >= 0) this.choose({ nodes: [found] });
    else this.say.textContent = `No node is called ${printable(wanted.slice(0, 60))}.`;
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const from = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(from.tagName)) return;
    if (event.key === " " && /^(BUTTON|SUMMARY)$/.test(from.tagName)) return;
    const action = this.keys[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  }

  /** @type {Object<string, (event: KeyboardEvent) => void>} */
  get keys() {
    const { player, stage } = this;
    const stride = (/** @type {KeyboardEvent} */ event) => (event.shiftKey ? "level" : undefined);
    return {
      ArrowRight: (event) => player.move(1, stride(event)),
      ArrowLeft: (event) => player.move(-1, stride(event)),
      " ": () => this.pass && player.toggle(),
      Home: () => player.go({ at: 0 }),
      End: () => player.go({ at: this.steps.length }),
      n: () => this.beside(1),
      p: () => this.beside(-1),
      d: () => this.decouple(!this.decoupled),
      Escape: () => this.choose({}),
      "+": () => stage.zoom(1.3),
      "-": () => stage.zoom(1 / 1.3),
      0: () => stage.fit(),
    };
  }

  /** Choose the next node in order, or the one before. @param {1 | -1} direction */
  beside(direction) {
    const { graph } = this;
    if (!graph) return;
    const { node } = this.selection;
    const place = node === null ? (direction > 0 ? -1 : 0) : graph.order.indexOf(node);
    this.choose({ nodes: [graph.order[(place + direction + graph.nNodes) % graph.nNodes]] });
  }

  close() {
    this.player.stop();
    this.stage.close();
    this.matrices.close();
    for (const end of this.ends) end();
  }
}

/** The largest size among numbers. @param {ArrayLike<number>} numbers */
function most(numbers) {
  let largest = 0;
  for (let k = 0; k < numbers.length; k++) {
    const size = Math.abs(numbers[k]);
    if (size > largest && size < Infinity) largest = size;
  }
  return largest;
}

/** @type {Object<string, string>} */
const DECOUPLED = { value: ", of j⁻ its sum s", gate: "", sensitivity: ", of j⁻ S·Φ′" };

/** @param {boolean} hasPass @param {string} shownNow @param {boolean} decoupled */
function legendOf(hasPass, shownNow, decoupled) {
  const arcs = `Arcs: width |${hasPass ? "z" : "w"}|; solid positive, dashed negative.`;
  const nodes = "Squares are inputs, double rings outputs.";
  if (!hasPass) return `${nodes} ${arcs}`;
  const colour = { value: "the value y", gate: "the gate Φ′", sensitivity: "the sensitivity S" }[shownNow];
  return `Colour: ${colour}${decoupled ? DECOUPLED[shownNow] : ""}, blue positive, orange negative. ${nodes} The two leaves behind a neuron are its gate: along the way open, across it closed. ${arcs}`;
}
