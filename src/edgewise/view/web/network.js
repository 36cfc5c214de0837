/** The section of the network: the drawing. */

import { arcBundles, paintArcs, paintNodes } from "./drawing.js";
import { Geometry } from "./geometry.js";
import { Graph } from "./graph.js";
import { make } from "./dom.js";
import { onColours } from "./palette.js";
import { plural } from "./numbers.js";

/** @param {import("./view.js").Context} context */
export function networkSection({ selection }) {
  const canvas = make("canvas", { class: "ew-canvas", role: "img", tabindex: 0 });
  const element = make("section", { class: "ew-section ew-network", "aria-label": "Network" }, canvas);
  /** @type {Graph} */ let graph;
  /** @type {Geometry} */ let geometry;

  function paint() {
    const context = canvas.getContext("2d");
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!graph || !width || !height) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    geometry.fit(width, height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    paintArcs(context, arcBundles(geometry, graph.weight));
    paintNodes(context, geometry, selection.nodes);
  }

  canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const node = geometry.nodeAt(event.offsetX, event.offsetY);
    const arc = node === null ? geometry.arcAt(event.offsetX, event.offsetY) : null;
    selection.set({ nodes: node === null ? [] : [node], arcs: arc === null ? [] : [arc] });
  });
  const watcher = new ResizeObserver(paint);
  watcher.observe(canvas);
  const ends = [selection.subscribe(paint), onColours(paint), () => watcher.disconnect()];
  return {
    element,
    /** @param {any} data */
    update(data) {
      graph = new Graph(data.network);
      geometry = new Geometry(graph);
      const size = `${plural(graph.nNodes, "node")} and ${plural(graph.nArcs, "arc")}`;
      canvas.setAttribute("aria-label", `A network of ${size} in ${plural(graph.nLevels, "level")}`);
      paint();
    },
    close() {
      for (const end of ends) end();
    },
  };
}
