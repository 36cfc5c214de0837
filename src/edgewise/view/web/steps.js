/** The order in which a pass is told: forward node by node, then backward from the target. */

/** @typedef {{phase: "forward" | "backward", node: number}} Step */

/**
 * Every step: forward over all nodes in order; backward over those that the target depends on, in reverse.
 * @param {import("./graph.js").Graph} graph @param {import("./passes.js").Pass | null} pass
 * @returns {Step[]}
 */
export function stepsOf(graph, pass) {
  if (!pass) return [];
  const needed = new Uint8Array(graph.nNodes);
  for (const node of pass.start) needed[node] = 1;
  /** @type {Step[]} */ const forward = Array.from(graph.order, (node) => ({ phase: "forward", node }));
  /** @type {Step[]} */ const backward = [];
  for (let p = graph.nNodes - 1; p >= 0; p--) {
    const node = graph.order[p];
    if (graph.outOf[node].some((e) => needed[graph.head[e]])) needed[node] = 1;
    if (needed[node]) backward.push({ phase: "backward", node });
  }
  return [...forward, ...backward];
}

/** Where the next level begins: the first step after `at` whose level or phase is another; steps are counted from 1,
 * 0 being before all. @param {import("./graph.js").Graph} graph @param {Step[]} steps @param {number} at
 * @param {1 | -1} direction */
export function nextLevel(graph, steps, at, direction) {
  const key = (/** @type {Step} */ step) => (step.phase === "forward" ? 1 : -1) * (1 + graph.level[step.node]);
  if (direction > 0) {
    if (at >= steps.length) return steps.length;
    let k = at + 1;
    while (k < steps.length && key(steps[k]) === key(steps[at])) k += 1;
    return k;
  }
  let k = at - 1;
  while (k > 0 && key(steps[k - 1]) === key(steps[at - 1])) k -= 1;
  return Math.max(0, k);
}
