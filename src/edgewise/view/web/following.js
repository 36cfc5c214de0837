/** A selection where the network is edited: what was chosen stays chosen, under whatever index it has then. */

import { unpack } from "./arrays.js";

/**
 * Choose the same nodes, by name, and the same arcs, by index and ends, or by ends where the index is another's; tell
 * nobody, since all is about to be shown anew.
 * @param {import("./selection.js").Selection} selection
 * @param {any} before the part `network` of the data as they were, or null @param {any} after the same as they are
 */
export function follow(selection, before, after) {
  if (before === null || (selection.nodes.size === 0 && selection.arcs.size === 0)) return;
  const same = before.names.length === after.names.length
    && ["tail", "head"].every((end) => JSON.stringify(before[end]) === JSON.stringify(after[end]));
  if (same) return; // but for names and numbers
  const place = new Map(after.names.map((/** @type {string} */ name, /** @type {number} */ j) => [name, j]));
  const nodes = [...selection.nodes].map((j) => place.get(before.names[j]));
  const [was, is] = [arcEnds(before), arcEnds(after)];
  const arcs = [...selection.arcs].map((e) => (is[e] === was[e] ? e : is.indexOf(was[e])));
  selection.nodes = new Set(nodes.filter((j) => j !== undefined));
  selection.arcs = new Set(arcs.filter((e) => e >= 0));
}

/** What tells each arc from others: the names of its ends. @param {any} network @returns {string[]} */
function arcEnds(network) {
  const [tail, head] = [unpack(network.tail), unpack(network.head)];
  return Array.from(tail, (i, e) => JSON.stringify([network.names[i], network.names[head[e]]]));
}
