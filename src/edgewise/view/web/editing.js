/** The tools of a live view. They ask for what is wanted and show what is: nothing here changes data. */

import { asking } from "./asking.js";
import { button, group, textField } from "./controls.js";
import { make } from "./dom.js";
import { Graph } from "./graph.js";
import { sampleTools } from "./sample_tools.js";
import { addTools, chosenTools } from "./structure_tools.js";
import { trainingTools } from "./training_tools.js";

/** @param {import("./view.js").Context} context @returns {import("./view.js").Section} */
export function editingSection({ model, selection, looking }) {
  const said = make("p", { class: "ew-said", role: "status" });
  const wrong = make("p", { class: "ew-trouble", role: "alert" });
  const lost = make("p", { class: "ew-trouble", role: "alert", text: "The connection is lost; trying again …" });
  const { ask, close } = asking(model, (error) => {
    wrong.textContent = error ?? "";
    said.textContent = "";
    if (error) refresh();
  });
  const chosen = chosenTools(ask, selection);
  const add = addTools(ask, selection);
  const samples = sampleTools(ask, looking);
  const tools = [trainingTools(ask), samples, chosen, add];
  const keep = keepTools(ask, (text) => { said.textContent = text; });
  const element = make(
    "section", { class: "ew-editing", "aria-label": "Editing" }, lost, wrong, said,
    ...tools.map((tool) => tool.element), keep.element,
  );
  /** @type {{network: any, graph: Graph, play: any} | null} */ let now = null;

  function refresh() {
    if (now === null) return;
    for (const tool of tools) tool.update(now.graph, now.play);
    keep.update(now.play);
  }
  const connection = () => { lost.hidden = model.get("connected") !== false; };
  const stop = selection.subscribe(() => { if (now) chosen.update(now.graph, now.play); });
  model.on("change:connected", connection);
  connection();
  return {
    element,
    update: (data) => {
      const graph = now?.network === data.network ? now.graph : new Graph(data.network);
      now = { network: data.network, graph, play: data.play };
      refresh();
    },
    close: () => {
      close();
      add.close();
      samples.close();
      stop();
      model.off("change:connected", connection);
    },
  };
}

/** Undo and redo, save, copy. @param {import("./asking.js").Ask} ask @param {(text: string) => void} say */
function keepTools(ask, say) {
  const undo = button("Undo", () => ask("undo"));
  const redo = button("Redo", () => ask("redo"));
  const name = textField("File", (value) => name.show(value));
  const text = make("textarea", { readonly: true, rows: 12, "aria-label": "The network as Python", spellcheck: "false" });
  const save = () => ask("save", { file_name: name.input.value }, (answer) => say(`Saved to ${answer.saved}`));
  const copy = () => ask("code", {}, (answer) => {
    text.value = answer.code;
    text.hidden = false;
    const copied = () => say("Copied as Python; it is also shown below.");
    const refused = () => { say("This is the network as Python, to be copied from below."); text.select(); };
    if (navigator.clipboard) navigator.clipboard.writeText(answer.code).then(copied, refused);
    else refused();
  });
  text.hidden = true;
  return {
    element: group(
      "Keep",
      make("div", { class: "ew-row" }, undo, redo, name.element, button("Save", save), button("Copy as Python", copy)),
      text,
    ),
    update: (/** @type {any} */ play) => {
      undo.disabled = !play.can_undo;
      redo.disabled = !play.can_redo;
      if (name.input.value === "") name.show(play.file_name);
    },
  };
}
