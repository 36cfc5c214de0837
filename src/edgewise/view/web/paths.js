/** Paths from i to t: how many, the strongest, and their sum, which is S(i,t). */

/** The arcs that lie on some path to t, as a test of their heads. @param {import("./graph.js").Graph} graph
 * @param {number} t */
function reaching(graph, t) {
  const reaches = new Uint8Array(graph.nNodes);
  reaches[t] = 1;
  const ahead = [t];
  while (ahead.length) {
    for (const e of graph.into[/** @type {number} */ (ahead.pop())]) {
      if (!reaches[graph.tail[e]]) {
        reaches[graph.tail[e]] = 1;
        ahead.push(graph.tail[e]);
      }
    }
  }
  return reaches;
}

/** How many paths lead from i to t, exactly. @param {import("./graph.js").Graph} graph @param {number} i @param {number} t */
export function countPaths(graph, i, t) {
  return swept(graph, t, 1n, 0n, (sum, _, ways) => sum + ways)[i];
}

/** S(·,t) of every node, by the recursion over z. @param {import("./graph.js").Graph} graph
 * @param {ArrayLike<number>} z @param {number} t @returns {number[]} */
export function sensitivities(graph, z, t) {
  return swept(graph, t, 1, 0, (sum, e, beyond) => sum + beyond * z[e]);
}

/** One sweep against the arcs. @template T @param {import("./graph.js").Graph} graph @param {number} t
 * @param {T} one @param {T} zero @param {(sum: T, e: number, beyond: T) => T} add @returns {T[]} */
function swept(graph, t, one, zero, add) {
  const reaches = reaching(graph, t);
  /** @type {T[]} */ const found = new Array(graph.nNodes).fill(zero);
  found[t] = one;
  for (let p = graph.nNodes - 1; p >= 0; p--) {
    const i = graph.order[p];
    if (i === t || !reaches[i]) continue;
    let sum = zero;
    for (const e of graph.outOf[i]) if (reaches[graph.head[e]]) sum = add(sum, e, found[graph.head[e]]);
    found[i] = sum;
  }
  return found;
}

/**
 * The k paths from i to t with the largest |∏z|, the largest first; all of them if there are fewer.
 *
 * Best first: a partial path is ranked by what it has given up, in log|∏z|, against the best way on.
 * @param {import("./graph.js").Graph} graph @param {ArrayLike<number>} z
 * @param {number} i @param {number} t @param {number} k
 * @returns {{arcs: number[], product: number}[]}
 */
export function topPaths(graph, z, i, t, k) {
  const reaches = reaching(graph, t);
  if (!reaches[i]) return [];
  const gain = Array.from(z, (x) => Math.log(Math.abs(x)));
  const best = swept(graph, t, 0, -Infinity, (most, e, beyond) => Math.max(most, gain[e] + beyond));
  const heap = new Heap();
  heap.push({ lost: 0, node: i, arc: -1, before: null });
  const found = [];
  while (found.length < k) {
    const trail = heap.pop();
    if (!trail) break;
    if (trail.node === t) {
      const arcs = unwound(trail);
      found.push({ arcs, product: arcs.reduce((product, e) => product * z[e], 1) });
      continue;
    }
    for (const e of graph.outOf[trail.node]) {
      const head = graph.head[e];
      if (!reaches[head]) continue;
      const reachable = gain[e] + best[head];
      const loss = reachable === best[trail.node] ? 0 : best[trail.node] - reachable;
      heap.push({ lost: trail.lost + loss, node: head, arc: e, before: trail });
    }
  }
  return found;
}

/** @typedef {{lost: number, node: number, arc: number, before: Trail | null}} Trail */

/** @param {Trail} trail */
function unwound(trail) {
  const arcs = [];
  for (let at = /** @type {Trail | null} */ (trail); at && at.arc >= 0; at = at.before) arcs.push(at.arc);
  return arcs.reverse();
}

/** Trails by what they have given up, the least first. */
class Heap {
  constructor() {
    /** @type {Trail[]} */ this.items = [];
  }

  /** @param {Trail} trail */
  push(trail) {
    const { items } = this;
    let k = items.push(trail) - 1;
    while (k > 0 && items[(k - 1) >> 1].lost > items[k].lost) {
      const up = (k - 1) >> 1;
      [items[k], items[up]] = [items[up], items[k]];
      k = up;
    }
  }

  /** @returns {Trail | undefined} */
  pop() {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    if (items.length && last) {
      items[0] = last;
      for (let k = 0; ; ) {
        let least = k;
        for (const child of [2 * k + 1, 2 * k + 2]) {
          if (child < items.length && items[child].lost < items[least].lost) least = child;
        }
        if (least === k) break;
        [items[k], items[least]] = [items[least], items[k]];
        k = least;
      }
    }
    return first;
  }
}
