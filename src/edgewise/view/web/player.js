/** Next, back, play: the controls that go through the steps of a pass, its samples, and the steps of training. */

import { make } from "./dom.js";
import { nextLevel } from "./steps.js";

/** @typedef {{at: number, sample: number, step: number}} Place */

export class Player {
  /** @param {(place: Place) => void} moved called after every change */
  constructor(moved) {
    this.moved = moved;
    /** @type {import("./graph.js").Graph | null} */ this.graph = null;
    /** @type {import("./steps.js").Step[]} */ this.steps = [];
    /** @type {Place} */ this.place = { at: 0, sample: 0, step: 0 };
    this.playing = false;
    this.due = 0;
    const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      make("button", { type: "button", class: "ew-button", title: label, "aria-label": label, text, onclick });
    this.playButton = button("Play", "Play", () => this.toggle());
    this.slider = this.range("Step", (at) => this.go({ at }));
    this.sampleSlider = this.range("Sample", (sample) => this.go({ sample }));
    this.stepSlider = this.range("Training step", (step) => this.go({ step }));
    this.stride = make("select", { "aria-label": "A step is", class: "ew-select" },
      make("option", { value: "node", text: "node by node" }), make("option", { value: "level", text: "level by level" }));
    this.speed = make("select", { "aria-label": "Speed", class: "ew-select" },
      ...[["1", "slow"], ["4", "medium"], ["15", "fast"], ["1000", "fastest"]].map(([value, text]) => make("option", { value, text })));
    this.speed.value = "4";
    this.element = make("div", { class: "ew-player", role: "group", "aria-label": "Steps of the pass" },
      make("span", { class: "ew-buttons" },
        button("Start", "To the start", () => this.go({ at: 0 })),
        button("Back", "Back", () => this.move(-1)),
        this.playButton,
        button("Next", "Next", () => this.move(1)),
        button("End", "To the end", () => this.go({ at: this.steps.length }))),
      this.slider.element, this.stride, this.speed, this.sampleSlider.element, this.stepSlider.element);
  }

  /** @param {string} label @param {(value: number) => void} chosen */
  range(label, chosen) {
    const input = make("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": label });
    const output = make("output", {});
    input.addEventListener("input", () => chosen(Number(input.value)));
    return { input, output, element: make("label", { class: "ew-range" }, make("span", { text: label }), input, output) };
  }

  /** What there is to go through; the place is kept as far as it is still there.
   * @param {import("./graph.js").Graph} graph @param {import("./steps.js").Step[]} steps
   * @param {import("./passes.js").Pass} pass @param {number} sample which is looked at */
  show(graph, steps, pass, sample) {
    const fresh = this.steps.length === 0;
    this.graph = graph;
    this.steps = steps;
    this.pass = pass;
    this.slider.input.max = steps.length;
    this.sampleSlider.input.max = pass.nSamples - 1;
    this.stepSlider.input.max = pass.nSteps - 1;
    this.sampleSlider.element.hidden = pass.nSamples < 2;
    this.stepSlider.element.hidden = pass.nSteps < 2;
    const { at, step } = this.place;
    this.place = {
      at: fresh ? steps.length : Math.min(at, steps.length),
      sample: Math.min(sample, pass.nSamples - 1),
      step: fresh ? pass.nSteps - 1 : Math.min(step, pass.nSteps - 1),
    };
    this.write();
  }

  /** @param {Partial<Place>} place */
  go(place) {
    this.place = { ...this.place, ...place };
    this.write();
    this.moved(this.place);
  }

  /** @param {1 | -1} direction @param {string} stride */
  move(direction, stride = this.stride.value) {
    const { at } = this.place;
    const one = Math.max(0, Math.min(this.steps.length, at + direction));
    const next = stride === "level" && this.graph ? nextLevel(this.graph, this.steps, at, direction) : one;
    if (next !== at) this.go({ at: next });
    return next !== at;
  }

  toggle() {
    if (this.playing) {
      this.stop();
      return;
    }
    if (this.place.at >= this.steps.length) this.go({ at: 0 });
    this.playing = true;
    this.write();
    this.due = performance.now();
    requestAnimationFrame((now) => this.tick(now));
  }

  stop() {
    this.playing = false;
    this.write();
  }

  /** @param {number} now */
  tick(now) {
    if (!this.playing) return;
    if (now >= this.due) {
      this.due = Math.max(now, this.due + 1000 / Number(this.speed.value));
      if (!this.move(1)) this.stop();
    }
    requestAnimationFrame((then) => this.tick(then));
  }

  write() {
    const { at, sample, step } = this.place;
    const word = this.playing ? "Pause" : "Play";
    this.playButton.textContent = word;
    for (const name of ["aria-label", "title"]) this.playButton.setAttribute(name, word);
    this.slider.input.value = at;
    this.slider.output.textContent = `${at} of ${this.steps.length}`;
    this.sampleSlider.input.value = sample;
    const [shown, all] = [this.pass?.nSamples ?? 0, this.pass?.data.n_samples ?? 0];
    this.sampleSlider.output.textContent = `${sample + 1} of ${shown < all ? `the first ${shown} of ${all}` : all}`;
    this.stepSlider.input.value = step;
    this.stepSlider.output.textContent = this.pass?.label(step) ?? "";
  }
}
