import assert from "node:assert/strict";
import { test } from "node:test";
import { follow } from "../../src/edgewise/view/web/following.js";
import { Selection } from "../../src/edgewise/view/web/selection.js";

/** The part `network` of a view's data, of arcs as pairs of names. */
function network(names, arcs) {
  const place = (name) => names.indexOf(name);
  return { names, tail: arcs.map(([i]) => place(i)), head: arcs.map(([, j]) => place(j)) };
}

function followed(chosen, before, after) {
  const selection = new Selection();
  selection.set(chosen);
  selection.subscribe(() => assert.fail("all is shown anew anyway"));
  follow(selection, before, after);
  return { nodes: [...selection.nodes], arcs: [...selection.arcs] };
}

const BEFORE = network(["x", "h", "t"], [["x", "h"], ["h", "t"], ["x", "t"]]);

test("nodes are followed by name, arcs by their ends", () => {
  const after = network(["new", "x", "h", "t"], [["new", "t"], ["x", "h"], ["h", "t"], ["x", "t"]]);
  assert.deepEqual(followed({ nodes: [0, 2], arcs: [1] }, BEFORE, after), { nodes: [1, 3], arcs: [2] });
});

test("what is gone is chosen no longer", () => {
  const after = network(["x", "t"], [["x", "t"]]);
  assert.deepEqual(followed({ nodes: [1, 2], arcs: [0, 2] }, BEFORE, after), { nodes: [1], arcs: [0] });
});

test("of parallel arcs the one with the same index stays chosen", () => {
  const arcs = [["x", "t"], ["x", "t"]];
  const after = network(["x", "t", "late"], [...arcs, ["x", "late"]]);
  assert.deepEqual(followed({ arcs: [1] }, network(["x", "t"], arcs), after), { nodes: [], arcs: [1] });
});

test("a node that is only renamed stays chosen", () => {
  const after = network(["x", "called", "t"], [["x", "called"], ["called", "t"], ["x", "t"]]);
  assert.deepEqual(followed({ nodes: [1], arcs: [0] }, BEFORE, after), { nodes: [1], arcs: [0] });
});

test("nothing chosen, or nothing before, is nothing to follow", () => {
  assert.deepEqual(followed({}, BEFORE, network(["x"], [])), { nodes: [], arcs: [] });
  assert.deepEqual(followed({ nodes: [7] }, null, BEFORE), { nodes: [7], arcs: [] });
});

test("nodes without names are called by their index", () => {
  const nameless = (n, arcs) => ({ names: null, bias: { shape: [n] }, tail: arcs.map(([i]) => i), head: arcs.map(([, j]) => j) });
  const [before, after] = [nameless(3, [[0, 1], [1, 2]]), nameless(2, [[0, 1]])];
  assert.deepEqual(followed({ nodes: [1, 2], arcs: [0] }, before, after), { nodes: [1], arcs: [0] });
});
