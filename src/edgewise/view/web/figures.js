/** What is drawn as a graph: the whole network where it is small, else the neighbourhood of one node. */

const NEAREST = 10;
const FARTHER = 2;

/**
 * @typedef {object} Figure
 * @property {ArrayLike<number>} nodes
 * @property {ArrayLike<number>} arcs
 * @property {ArrayLike<number>} x the column of each node of the graph
 * @property {ArrayLike<number>} y how far down, in steps
 * @property {(e: number) => ArrayLike<number>} waypoints y at the columns between an arc's ends
 */

/** Whether it is drawn as a graph, rather than as levels and matrices. @param {import("./graph.js").Graph} graph */
export function drawnWhole(graph) {
  return graph.routes !== null;
}

/** All of it, as the library laid it out. @param {import("./graph.js").Graph} graph @returns {Figure} */
export function whole(graph) {
  const { routes } = graph;
  return {
    nodes: graph.order,
    arcs: Array.from({ length: graph.nArcs }, (_, e) => e),
    x: graph.level,
    y: graph.y,
    waypoints: (e) => (routes ? routes.y.subarray(routes.start[e], routes.start[e + 1]) : []),
  };
}

/**
 * A node with its strongest neighbours, and their strongest farther on.
 * @param {import("./graph.js").Graph} graph @param {ArrayLike<number>} strength one number an arc
 * @param {number} centre @returns {Figure}
 */
export function neighbourhood(graph, strength, centre) {
  const chosen = new Set([centre]);
  for (const { arcs, end } of [{ arcs: graph.into, end: graph.tail }, { arcs: graph.outOf, end: graph.head }]) {
    for (const e of strongest(arcs[centre], strength, NEAREST)) {
      chosen.add(end[e]);
      for (const farther of strongest(arcs[end[e]], strength, FARTHER)) chosen.add(end[farther]);
    }
  }
  const nodes = [...chosen].sort((a, b) => graph.level[a] - graph.level[b] || graph.y[a] - graph.y[b]);
  const arcs = nodes.flatMap((j) => graph.outOf[j].filter((e) => chosen.has(graph.head[e])));
  const x = new Float64Array(graph.nNodes);
  const y = new Float64Array(graph.nNodes);
  // columns count the arcs on the longest way here within the neighbourhood, so that no empty ones stand between
  for (const j of nodes) for (const e of graph.outOf[j]) if (chosen.has(graph.head[e])) x[graph.head[e]] = Math.max(x[graph.head[e]], x[j] + 1);
  /** @type {Map<number, number[]>} */ const columns = new Map();
  for (const j of nodes) columns.set(x[j], [...(columns.get(x[j]) ?? []), j]);
  for (const members of columns.values()) members.forEach((j, k) => (y[j] = k - (members.length - 1) / 2));
  return { nodes, arcs, x, y, waypoints: () => [] };
}

/** @param {number[]} arcs @param {ArrayLike<number>} strength @param {number} most */
function strongest(arcs, strength, most) {
  return [...arcs].sort((a, b) => Math.abs(strength[b]) - Math.abs(strength[a])).slice(0, most);
}
