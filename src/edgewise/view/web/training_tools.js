/** Tools for training: train, pause, step, how fast, and the course of the loss. */

import { draw } from "./charts.js";
import { asOptions, button, choice, group, numberField } from "./controls.js";
import { make } from "./dom.js";
import { counted, shown } from "./numbers.js";

const [CURVE_WIDTH, CURVE_HEIGHT] = [240, 56];

/** @param {import("./asking.js").Ask} ask @returns {import("./structure_tools.js").Tools} */
export function trainingTools(ask) {
  let training = false;
  const run = button("Train", () => ask(training ? "pause" : "train"), { "aria-pressed": "false" });
  const step = button("Step", () => ask("step"));
  const rate = numberField("Learning rate", (value) => ask("configure", { learning_rate: value }), { min: 0 });
  const batch = numberField("Batch size", (value) => ask("configure", { batch_size: Math.round(value) }), { min: 1, step: 1 });
  const optimizer = choice("Optimizer", (name) => ask("configure", { optimizer: name }));
  const status = make("p", { class: "ew-hint", role: "status" });
  const trouble = make("p", { class: "ew-trouble", role: "alert" });
  const curve = lossCurve();
  return {
    element: group(
      "Training",
      make("div", { class: "ew-row" }, run, step, rate.element, batch.element, optimizer.element),
      status, curve.element, trouble,
    ),
    update: (_, play) => {
      training = play.training;
      run.textContent = training ? "Pause" : "Train";
      run.setAttribute("aria-pressed", String(training));
      for (const control of [run, step]) control.disabled = play.loss === null;
      rate.show(play.learning_rate);
      batch.show(play.batch_size);
      optimizer.offer({ "": asOptions(play.choices.optimizer) });
      optimizer.show(play.optimizer);
      const losses = play.curve.loss;
      const now = losses.length ? `, loss ${shown(Number(losses[losses.length - 1]))}` : "";
      status.textContent = play.loss === null
        ? "Choose a loss as the target to train."
        : `epoch ${counted(play.epoch)}, step ${counted(play.step)}${now}`;
      trouble.textContent = play.trouble ?? "";
      curve.update(play.curve.step, losses.map(Number));
    },
  };
}

/** The losses over the steps, on a logarithmic scale. */
function lossCurve() {
  const line = draw("polyline");
  const element = draw("svg", {
    viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`, class: "ew-loss-curve", role: "img", preserveAspectRatio: "none",
  }, line);
  return {
    element,
    update: (/** @type {number[]} */ steps, /** @type {number[]} */ losses) => {
      line.setAttribute("points", curvePoints(steps, losses, CURVE_WIDTH, CURVE_HEIGHT));
      element.toggleAttribute("hidden", losses.length < 2);
      element.setAttribute(
        "aria-label", losses.length ? `loss from ${shown(losses[0])} to ${shown(losses[losses.length - 1])}` : "no loss yet",
      );
    },
  };
}

/** The points of a line through positive losses, on a logarithmic scale that just holds them all.
 * @param {number[]} steps @param {number[]} losses @param {number} width @param {number} height */
export function curvePoints(steps, losses, width, height) {
  const points = steps.map((k, at) => [k, Math.log(losses[at])]).filter(([, y]) => Number.isFinite(y));
  if (points.length < 2) return "";
  const range = (/** @type {number} */ axis) => {
    const all = points.map((point) => point[axis]);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return [low, high > low ? high - low : 1];
  };
  const [[left, across], [bottom, up]] = [range(0), range(1)];
  const at = (/** @type {number[]} */ [x, y]) =>
    `${(2 + ((x - left) / across) * (width - 4)).toFixed(1)},${(height - 2 - ((y - bottom) / up) * (height - 4)).toFixed(1)}`;
  return points.map(at).join(" ");
}
