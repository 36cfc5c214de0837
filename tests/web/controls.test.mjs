import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { named } from "./document.mjs";
import {
  OPTIONS_AT_MOST, asOptions, button, choice, numberField, sliderField, textField, tickBox,
} from "../../src/edgewise/view/web/controls.js";

/** A list that keeps what is sent, and what sends. */
function sending() {
  const sent = [];
  return { sent, send: (value) => void sent.push(value) };
}

test("a field for a number sends numbers alone", () => {
  const { sent, send } = sending();
  const { input } = numberField("Bias", send, { min: 0 });
  assert.equal(input.getAttribute("min"), "0");
  for (const value of ["0.5", "", "words", "-1e-3"]) input.enter(value);
  assert.deepEqual(sent, [0.5, -0.001]);
});

test("a number is shown in six digits, and nothing where there is none", () => {
  const field = numberField("Bias", () => {});
  const shown = [1 / 3, 1e-9, NaN, undefined].map((value) => { field.show(value); return field.input.value; });
  assert.deepEqual(shown, ["0.333333", "1e-9", "", ""]);
});

test("what somebody is writing is not written over, and what is then shown is the value of now", () => {
  for (const field of [numberField("Bias", () => {}), textField("Bias", () => {})]) {
    field.show(1);
    field.input.focus();
    field.input.value = "12";
    field.show(2);
    assert.equal(field.input.value, "12");
    field.input.blur();
    assert.equal(field.input.value, "2");
  }
});

test("a slider sends while it is moved, but not more often than so many times a second, and in the end the last", (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  const { sent, send } = sending();
  const slider = named(sliderField("Weight", send).element, "Weight, slider");
  for (let k = 0; k < 100; k++) { // a second in which it is moved every ten milliseconds
    slider.enter(k / 100, "input");
    mock.timers.tick(0);
    now += 10;
    mock.timers.tick(10);
  }
  mock.timers.tick(1000);
  assert.ok(sent.length >= 5 && sent.length <= 16, `${sent.length}`);
  assert.deepEqual(sent, [...sent].sort((a, b) => a - b));
  assert.equal(sent.at(-1), 0.99);
});

test("a slider reaches as far as the number does", () => {
  const field = sliderField("Weight", () => {});
  const slider = named(field.element, "Weight, slider");
  const ends = [0.5, -7.2].map((value) => { field.show(value); return [slider.min, slider.max, slider.value, field.input.value]; });
  assert.deepEqual(ends, [["-3", "3", "0.5", "0.5"], ["-8", "8", "-7.2", "-7.2"]]);
  slider.focus();
  field.show(1);
  assert.deepEqual([slider.value, field.input.value], ["-7.2", "1"]);
  slider.blur();
});

test("a choice offers what there is and keeps what was chosen while it is there", () => {
  const { sent, send } = sending();
  const list = choice("Activation", send);
  list.offer({ "": [["tanh", "tanh"], ["relu", "relu"]] });
  list.show("relu");
  list.offer({ "": [["none", "none"]], smooth: [["relu", "relu"], ["tanh", "tanh"]] });
  assert.equal(list.input.value, "relu");
  assert.deepEqual(list.input.options.map((option) => option.textContent), ["none", "relu", "tanh"]);
  assert.equal(list.input.all((part) => part.tagName === "OPTGROUP").length, 1);
  list.offer({ "": [["none", "none"]] });
  assert.equal(list.input.value, "none");
  list.input.enter("none");
  assert.deepEqual(sent, ["none"]);
});

test("a choice of the same is not made anew, and one of very many is cut", () => {
  const list = choice("Node", null);
  const many = Array.from({ length: OPTIONS_AT_MOST + 5 }, (_, k) => [`n${k}`, `n${k}`]);
  list.offer({ "": many });
  const before = list.input.options;
  assert.equal(before.length, OPTIONS_AT_MOST);
  list.offer({ "": many.map((entry) => [...entry]) });
  assert.equal(list.input.options[0], before[0]);
});

test("names are options that cannot steer what is around them", () => {
  assert.deepEqual(asOptions(["a", "\u202eb", "n".repeat(50)]), [
    ["a", "a"], ["\u202eb", "\\u202eb"], ["n".repeat(50), `${"n".repeat(27)}…`],
  ]);
});

test("boxes and buttons", () => {
  const { sent, send } = sending();
  const box = tickBox("Input", send);
  box.show(1);
  assert.equal(box.input.checked, true);
  box.input.enter(false);
  button("Undo", () => send("undo")).click();
  button("Redo", () => send("redo"), { disabled: true }).click();
  assert.deepEqual(sent, [false, "undo"]);
});
