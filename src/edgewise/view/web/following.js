/** A selection where the network is edited: what was chosen stays chosen, under whatever index it has then. */

import { unpack } from "./arrays.js";
import { namesOf } from "./graph.js";

/**
 * Choose the same nodes, by name, and the same arcs, by index and ends, or by ends where the index is another's; tell
 * nobody, since all is about to be shown anew.
 * @param {import("./selection.js").Selection} selection
 * @param {any} before the part `network` of the data as they were, or null @param {any} after the same as they are
 */
export function follow(selection, before, after) {
  if (before === null || (selection.nodes.size === 0 && selection.arcs.size === 0)) return;
  const [called, calledNow] = [namesOf(before), namesOf(after)];
  const same = called.length === calledNow.length
    && ["tail", "head"].every((end) => JSON.stringify(before[end]) === JSON.stringify(after[end]));
  if (same) return; // but for names and numbers
  const place = new Map(calledNow.map((name, j) => [name, j]));
  const nodes = [...selection.nodes].map((j) => place.get(called[j]));
  const [was, is] = [arcEnds(before, called), arcEnds(after, calledNow)];
  const arcs = [...selection.arcs].map((e) => (is[e] === was[e] ? e : is.indexOf(was[e])));
  selection.nodes = new Set(nodes.filter((j) => j !== undefined));
  selection.arcs = new Set(arcs.filter((e) => e >= 0));
}

/** What tells each arc from others: the names of its ends. @param {any} network @param {string[]} names */
function arcEnds(network, names) {
  const [tail, head] = [unpack(network.tail), unpack(network.head)];
  return Array.from(tail, (i, e) => JSON.stringify([names[i], names[head[e]]]));
}
