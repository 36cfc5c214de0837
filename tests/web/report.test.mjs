import assert from "node:assert/strict";
import test from "node:test";

import { decibels, extent, logTicks, real, scale, ticks } from "../../src/edgewise/view/web/charts.js";
import { spread } from "../../src/edgewise/view/web/distributions.js";
import { nodesOf } from "../../src/edgewise/view/web/findings.js";
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
  const levels = new Levels({ report: { levels: [1, 0, 1, -1] }, network: { y: [5, 0, -5, 0] } });
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
});

test("of many levels some are shown, the first and the last among them", () => {
  assert.deepEqual(spread(3), [0, 1, 2]);
  const some = spread(500, 24);
  assert.equal(some.length, new Set(some).size);
  assert.deepEqual([some[0], some[23]], [0, 499]);
});
