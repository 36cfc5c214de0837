/** The view: a section for each part of the data that is there, all sharing one selection. */

import { curvesSection } from "./curves.js";
import { distributionsSection } from "./distributions.js";
import { make } from "./dom.js";
import { editingSection } from "./editing.js";
import { findingsSection } from "./findings.js";
import { follow } from "./following.js";
import { heatmapSection } from "./heatmap.js";
import { Looking } from "./looking.js";
import { networkSection } from "./network.js";
import { Selection } from "./selection.js";
import { chosenSection, summarySection } from "./summary.js";
import { waterfallSection } from "./waterfall.js";

/**
 * @typedef {{model: any, selection: Selection, looking: Looking}} Context what every section is given
 * @typedef {{element: HTMLElement, update: (data: any) => void, close: () => void}} Section
 */

/** Which sections there are, in the order in which they stand: when one is shown, and what makes it.
 * @type {{shown: (data: any) => boolean, make: (context: Context) => Section}[]} */
const SECTIONS = [
  { shown: (data) => Boolean(data.report), make: summarySection },
  { shown: (data) => Boolean(data.report), make: chosenSection },
  { shown: (data) => Boolean(data.report?.findings), make: findingsSection },
  { shown: (data) => Boolean(data.report?.curves), make: curvesSection },
  { shown: (data) => Boolean(data.report?.budget), make: waterfallSection },
  { shown: (data) => Boolean(data.network), make: networkSection },
  { shown: (data) => Boolean(data.live), make: editingSection },
  { shown: (data) => Boolean(data.report?.maps), make: heatmapSection },
  { shown: (data) => Boolean(data.report?.distributions), make: distributionsSection },
];

/** Show the model's data in an element, and follow both; returns what ends that, as anywidget asks.
 * @param {{model: any, el: HTMLElement}} host */
export function render({ model, el }) {
  const [selection, looking] = [new Selection(), new Looking()];
  const root = make("div", {
    class: "ew-view",
    "data-lm-suppress-shortcuts": "true", // JupyterLab's; there D, pressed twice, would delete the cell
    onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(), // nor is any other host to act on its keys
  });
  /** @type {any} */ let before = null;
  /** @type {(Section | null)[]} */ const sections = SECTIONS.map(() => null);

  function update() {
    const data = model.get("data");
    if (!data || data.schema !== 1) {
      root.replaceChildren(make("p", { role: "alert", text: "This view knows data of schema 1 only." }));
      return;
    }
    if (data.live) follow(selection, before, data.network);
    before = data.network;
    SECTIONS.forEach(({ shown, make: makeSection }, k) => {
      if (shown(data)) {
        sections[k] ??= makeSection({ model, selection, looking });
      } else {
        sections[k]?.close();
        sections[k] = null;
      }
    });
    const there = sections.flatMap((section) => (section ? [section] : []));
    const elements = there.map((section) => section.element);
    if (elements.some((element, k) => root.children[k] !== element) || root.children.length !== elements.length) {
      root.replaceChildren(...elements);
    }
    for (const section of there) section.update(data);
  }

  el.append(root);
  model.on("change:data", update);
  update();
  return () => {
    model.off("change:data", update);
    for (const section of sections) section?.close();
    root.remove();
  };
}

export default { render };
