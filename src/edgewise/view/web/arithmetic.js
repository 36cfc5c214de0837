/** The recursion's terms, worked out from weights and values; the engine's own numbers stand beside them. */

/**
 * The derivative of node j's aggregation with respect to each of its terms w·y, in the order of `graph.into[j]`.
 * @param {import("./graph.js").Graph} graph @param {import("./passes.js").Moment} moment @param {number} j
 * @returns {number[]}
 */
export function slopes(graph, moment, j) {
  const terms = graph.into[j].map((e) => moment.weight[e] * moment.value[graph.tail[e]]);
  return SLOPES[graph.aggregations[j]](terms);
}

/** @type {Object<string, (terms: number[]) => number[]>} */
const SLOPES = {
  sum: (terms) => terms.map(() => 1),
  mean: (terms) => terms.map(() => 1 / terms.length),
  product: (terms) => terms.map((_, k) => terms.reduce((all, term, l) => (l === k ? all : all * term), 1)),
  max: (terms) => firstLargest(terms),
  min: (terms) => firstLargest(terms.map((term) => -term)),
  maxabs: (terms) => firstLargest(terms.map(Math.abs)),
  median: (terms) => {
    const order = terms.map((_, k) => k).sort((a, b) => terms[a] - terms[b] || a - b);
    const slope = terms.map(() => 0);
    for (const place of [(terms.length - 1) >> 1, terms.length >> 1]) slope[order[place]] += 0.5;
    return slope;
  },
};

/** The arc that a selecting aggregation takes: the first of the largest. @param {number[]} keys */
function firstLargest(keys) {
  const broken = keys.findIndex(Number.isNaN);
  const chosen = broken >= 0 ? broken : keys.indexOf(keys.reduce((most, key) => Math.max(most, key), -Infinity));
  return keys.map((_, k) => Number(k === chosen));
}

/** How many terms share the place that only the first of them takes: more than 1 is a tie.
 * @param {string} aggregation @param {number[]} terms */
export function tied(aggregation, terms) {
  /** @type {Object<string, (term: number) => number>} */
  const keys = { max: (term) => term, min: (term) => -term, maxabs: Math.abs };
  if (!(aggregation in keys)) return 0;
  const ranked = terms.map(keys[aggregation]);
  const most = ranked.reduce((found, key) => Math.max(found, key), -Infinity);
  return ranked.filter((key) => key === most).length;
}

/** The terms w·y of s(j). @param {import("./graph.js").Graph} graph
 * @param {import("./passes.js").Moment} moment @param {number} j */
export function forwardTerms(graph, moment, j) {
  return graph.into[j].map((e) => {
    const [weight, value] = [moment.weight[e], moment.value[graph.tail[e]]];
    return { arc: e, node: graph.tail[e], weight, value, product: weight * value };
  });
}

/**
 * The terms S(j)·Φ′(s_j)·w_ij of S(i); `inner` is r_j·∂agg/∂(w·y), 1 for a plain sum.
 * @param {import("./graph.js").Graph} graph @param {import("./passes.js").Moment} moment @param {number} i
 */
export function backwardTerms(graph, moment, i) {
  return graph.outOf[i].map((e) => {
    const { sensitivity, gate, inner, weight } = factors(graph, moment, e);
    return { arc: e, node: graph.head[e], sensitivity, gate, inner, weight, product: sensitivity * gate * inner * weight };
  });
}

/**
 * What z and ∂w of an arc are made of: z = Φ′·inner·w, ∂w = S·Φ′·inner·y.
 * @param {import("./graph.js").Graph} graph @param {import("./passes.js").Moment} moment @param {number} e
 */
export function factors(graph, moment, e) {
  const [i, j] = [graph.tail[e], graph.head[e]];
  const inner = moment.response[j] * (graph.aggregations[j] === "sum" ? 1 : slopes(graph, moment, j)[graph.into[j].indexOf(e)]);
  const [sensitivity, gate, weight, value] = [moment.sensitivity[j], moment.gate[j], moment.weight[e], moment.value[i]];
  return {
    sensitivity, gate, inner, weight, value,
    derivative: gate * inner * weight,
    gradient: sensitivity * gate * inner * value,
  };
}

/**
 * What a pass leaves out where it is large: s(j) = b + r·agg(w·y) of every neuron, y of an input, and z of every arc.
 * @param {import("./graph.js").Graph} graph @param {import("./passes.js").Moment} moment all but these two
 */
export function sumsAndDerivatives(graph, moment) {
  const preactivation = Float64Array.from(moment.value);
  const edgeDerivative = new Float64Array(graph.nArcs);
  for (let j = 0; j < graph.nNodes; j++) {
    if (graph.isInput.has(j)) continue;
    const terms = forwardTerms(graph, moment, j).map(({ product }) => product);
    const slope = slopes(graph, moment, j);
    const all = graph.aggregations[j] === "product" ? terms.reduce((found, term) => found * term, Number(terms.length > 0))
      : terms.reduce((found, term, k) => found + (slope[k] && slope[k] * term), 0); // of degree 1: Σ ∂agg/∂x·x is agg(x)
    preactivation[j] = moment.bias[j] + moment.response[j] * all;
    graph.into[j].forEach((e, k) => {
      edgeDerivative[e] = moment.gate[j] * moment.response[j] * slope[k] * moment.weight[e];
    });
  }
  return { preactivation, edgeDerivative };
}

/** How far a gate is open, from 0 to 1: |Φ′| beside the largest there can be, or 1 where that has no limit.
 * @param {import("./graph.js").Graph} graph @param {number} j @param {number} gate */
export function openness(graph, j, gate) {
  return Math.min(1, Math.abs(gate) / (graph.activations[j].max_gate ?? 1)) || 0;
}
