import assert from "node:assert/strict";
import { test } from "node:test";
import { named } from "./document.mjs";
import { curvePoints, trainingTools } from "../../src/edgewise/view/web/training_tools.js";

const PLAY = {
  training: false, loss: "squared_error", learning_rate: 0.1, batch_size: 32, optimizer: "sgd", epoch: 0, step: 0,
  trouble: null, curve: { step: [], loss: [] }, choices: { optimizer: ["sgd", "adam"] },
};

function shown(play = {}) {
  const asked = [];
  const tools = trainingTools((action, fields = {}) => asked.push([action, fields]));
  tools.update(null, { ...PLAY, ...play });
  const part = (role) => tools.element.all((found) => found.getAttribute("role") === role)[0];
  return { asked, tools, find: (name) => named(tools.element, name), part };
}

test("one button trains and pauses", () => {
  const { asked, tools, find } = shown();
  find("Train").click();
  tools.update(null, { ...PLAY, training: true });
  assert.equal(find("Pause").getAttribute("aria-pressed"), "true");
  find("Pause").click();
  find("Step").click();
  assert.deepEqual(asked.map(([action]) => action), ["train", "pause", "step"]);
});

test("what is set is asked for", () => {
  const { asked, find } = shown();
  find("Learning rate").enter("0.02");
  find("Batch size").enter("7.6");
  find("Optimizer").enter("adam");
  find("Learning rate").enter("much");
  assert.deepEqual(asked, [
    ["configure", { learning_rate: 0.02 }], ["configure", { batch_size: 8 }], ["configure", { optimizer: "adam" }],
  ]);
});

test("without a loss nothing can be trained, and it says why", () => {
  const { asked, find, part } = shown({ loss: null });
  for (const name of ["Train", "Step"]) find(name).click();
  assert.deepEqual(asked, []);
  assert.match(part("status").textContent, /Choose a loss/);
});

test("how far it is, the loss, and what went wrong", () => {
  const { tools, part } = shown({ epoch: 1200, step: 34567, curve: { step: [1, 2], loss: [0.5, "nan"] }, trouble: "not finite" });
  assert.equal(part("status").textContent, "epoch 1,200, step 34,567, loss NaN");
  assert.equal(part("alert").textContent, "not finite");
  tools.update(null, { ...PLAY, curve: { step: [1, 2], loss: [0.5, 0.25] } });
  assert.equal(part("status").textContent, "epoch 0, step 0, loss 0.25");
  assert.equal(part("alert").textContent, "");
  assert.equal(part("img").getAttribute("aria-label"), "loss from 0.5 to 0.25");
});

test("the curve is on a logarithmic scale that just holds all of it", () => {
  assert.equal(curvePoints([0, 1, 2], [1, 0.1, 0.01], 104, 24), "2.0,2.0 52.0,12.0 102.0,22.0");
  assert.equal(curvePoints([5, 6], [0.3, 0.3], 104, 24), "2.0,22.0 102.0,22.0");
});

test("losses that no logarithm knows are left out, and of one there is no curve", () => {
  assert.equal(curvePoints([0, 1, 2, 3], [1, 0, NaN, 0.1], 104, 24), "2.0,2.0 102.0,22.0");
  assert.equal(curvePoints([0], [1], 104, 24), "");
  assert.equal(curvePoints([], [], 104, 24), "");
});
