/** Works out, with the view's own modules, what the engine computes too: data in on stdin, numbers out as JSON. */
import { readFileSync } from "node:fs";
import { backwardTerms, factors, forwardTerms } from "../../src/edgewise/view/web/arithmetic.js";
import { Graph } from "../../src/edgewise/view/web/graph.js";
import { Pass } from "../../src/edgewise/view/web/passes.js";
import { countPaths, sensitivities, topPaths } from "../../src/edgewise/view/web/paths.js";
import { stepsOf } from "../../src/edgewise/view/web/steps.js";

const { data, k } = JSON.parse(readFileSync(0, "utf8"));
const graph = new Graph(data.network);
const pass = new Pass(data.pass, graph);
const nodes = Array.from({ length: graph.nNodes }, (_, j) => j);
const arcs = Array.from({ length: graph.nArcs }, (_, e) => e);
const total = (numbers) => numbers.reduce((sum, x) => sum + x, 0);
const t = pass.target ?? graph.outputs[0];

const found = Array.from({ length: pass.nSamples }, (_, sample) => {
  const moment = pass.at(pass.nSteps - 1, sample);
  return {
    told_preactivation: nodes.map((j) => moment.preactivation[j]),
    told_derivative: arcs.map((e) => moment.edgeDerivative[e]),
    preactivation: nodes.map((j) => moment.bias[j] + moment.response[j] * total(forwardTerms(graph, moment, j).map((term) => term.product))),
    sensitivity: nodes.map((i) => total(backwardTerms(graph, moment, i).map((term) => term.product)) + (moment.seed.get(i) ?? 0)),
    derivative: arcs.map((e) => factors(graph, moment, e).derivative),
    gradient: arcs.map((e) => factors(graph, moment, e).gradient),
    to: sensitivities(graph, moment.edgeDerivative, t),
    paths: nodes.map((i) => topPaths(graph, moment.edgeDerivative, i, t, k).map((path) => [path.arcs, path.product])),
  };
});
process.stdout.write(JSON.stringify({ t, counts: nodes.map((i) => String(countPaths(graph, i, t))), found, steps: stepsOf(graph, pass) }));
