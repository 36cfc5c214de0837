import assert from "node:assert/strict";
import test from "node:test";

import { decibels, extent, logTicks, real, scale, ticks } from "../../src/edgewise/view/web/charts.js";
import { nodesOf } from "../../src/edgewise/view/web/findings.js";
import { namesOf, standing } from "../../src/edgewise/view/web/graph.js";
import { cells } from "../../src/edgewise/view/web/heatmap.js";
import { Levels } from "../../src/edgewise/view/web/levels.js";
import { bars } from "../../src/edgewise/view/web/waterfall.js";

test("ticks are round, within, and few", () => {
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
  assert.deepEqual(ticks(-80, 0, 4), [-80, -60, -40, -20, 0]);
  assert.deepEqual(ticks(3, 3), [3]);
  for (const [low, high] of [[-1e-9, 1e9], [0.011, 0.012], [-7, 13]]) {
    const found = ticks(low, high);
    assert.ok(found.length >= 2 && found.length <= 11, `${found}`);
    assert.ok(found.every((x) => x >= low - (high - low) * 1e-6 && x <= high + (high - low) * 1e-6));
  }
});

test("logarithmic ticks are powers of ten, or within one of them a few numbers", () => {
  assert.deepEqual(logTicks(0.01, 100), [0.01, 0.1, 1, 10, 100]);
  assert.deepEqual(logTicks(0.25, 0.8), [0.3, 0.5, 0.7]);
  assert.ok(logTicks(1e-12, 1e12).length <= 7);
});

test("a scale takes ends to ends, also a logarithmic one, and what has no extent to somewhere", () => {
  assert.equal(scale([-1, 1], [0, 10])(0), 5);
  assert.ok(Math.abs(scale([0.01, 100], [0, 10], true)(1) - 5) < 1e-12);
  assert.equal(scale([2, 2], [0, 10])(2), 0);
  assert.deepEqual(extent([NaN, 3, -Infinity, 1]), [1, 3]);
  assert.deepEqual(extent([NaN]), [0, 1]);
});

test("what JSON does not know is read from words", () => {
  assert.deepEqual([1.5, "inf", "-inf", "nan", null].map(real), [1.5, Infinity, -Infinity, NaN, NaN]);
  assert.deepEqual([-20, 0, 0.01, 3.25, -Infinity, NaN].map(decibels), ["−20.0 dB", "0.0 dB", "0.0 dB", "+3.3 dB", "−∞ dB", "none"]);
});

test("each bar begins where the one before it ended, and behind what is lost for good there are none", () => {
  const row = (level, weights_db, gates_db, interference_db) =>
    ({ level, weights_db, gates_db, interference_db, total_db: weights_db + gates_db + interference_db });
  const ends = (...rows) => bars(rows).map(({ from, to }) => [from, to]);
  assert.deepEqual(ends(row(0, -6, 0, 0), row(1, 2, -1, 3)), [[0, -6], [-6, -6], [-6, -6], [-6, -4], [-4, -5], [-5, -2]]);
  assert.deepEqual(ends(row(0, -6, 0, 0), row(1, 2, -Infinity, 0), row(2, -Infinity, Infinity, 1)), [
    [0, -6], [-6, -6], [-6, -6],
    [-6, -4], [-4, -Infinity], [-4, -4],
  ]);
});

test("levels hold their nodes as they are drawn, and not those without a way", () => {
  const network = { order: [2, 1, 3, 0], level: [0, 0, 0, 0], y: [5, 0, -5, 0] };
  const levels = new Levels({ report: { levels: [1, 0, 1, -1], levels_every: 1 }, network });
  assert.deepEqual(levels.nodes, [[1], [2, 0]]);
  assert.equal(levels.widest, 2);
  assert.deepEqual([...levels.holding([0, 3])], [1]);
  assert.deepEqual(nodesOf({ nodes: [], levels: [1] }, levels), [2, 0]);
  assert.deepEqual(nodesOf({ nodes: [3], levels: [] }, levels), [3]);
});

test("where nodes are more than pixels a cell stands for several", () => {
  assert.deepEqual(cells(10, 100), { each: 1, width: 10 });
  assert.deepEqual(cells(2, 100), { each: 1, width: 28 });
  assert.deepEqual(cells(1000, 100), { each: 10, width: 1 });
  assert.equal(cells(0, 0).each, 1);
  for (const [widest, pixels, least] of [[1000, 100, 4], [10, 100, 4], [1001, 99, 7]]) {
    const { each, width } = cells(widest, pixels, least);
    assert.equal(each % least, 0);
    assert.ok(Math.ceil(widest / each) * width <= pixels + 1e-9);
  }
});

test("several levels as one have a name from the first to the last, and a finding of any of them is of all", () => {
  const network = { order: [0, 1, 2], level: [0, 1, 2], y: [0, 0, 0] };
  const levels = new Levels({ report: { levels: [1, 0, 0], levels_every: 50 }, network });
  assert.deepEqual([levels.name(0), levels.name(1)], ["0–49", "50–99"]);
  assert.deepEqual(nodesOf({ nodes: [], levels: [40, 49] }, levels), [1, 2]);
});

test("a number that several nodes of a level share is that of each", () => {
  const network = { order: [0, 1, 2, 3, 4, 5], level_start: [0, 6] };
  const levels = new Levels({ report: { levels: [0, 1, 1, 1, -1, 0], levels_every: 1 }, network });
  assert.deepEqual([...levels.spread([10, 20, 30], 2)], [10, 20, 20, 30, NaN, 10]);
});

test("where a large network's nodes stand follows from its order and where levels begin in it", () => {
  assert.deepEqual(standing({ order: [2, 0, 1], level_start: [0, 1, 3] }), {
    order: Float64Array.from([2, 0, 1]), level: Int32Array.from([1, 1, 0]), y: Float64Array.from([-0.5, 0.5, 0]),
  });
  assert.deepEqual(namesOf({ names: null, bias: { shape: [3] } }), ["0", "1", "2"]);
});
