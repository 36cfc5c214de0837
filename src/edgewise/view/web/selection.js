/** What is chosen, nodes and arcs by their index: one object for all sections of a view. */

export class Selection {
  constructor() {
    /** @type {ReadonlySet<number>} */ this.nodes = new Set();
    /** @type {ReadonlySet<number>} */ this.arcs = new Set();
    /** @type {Set<(selection: Selection) => void>} */ this.listeners = new Set();
  }

  /** Choose these nodes and arcs, and no others. @param {{nodes?: Iterable<number>, arcs?: Iterable<number>}} chosen */
  set({ nodes = [], arcs = [] }) {
    this.nodes = new Set(nodes);
    this.arcs = new Set(arcs);
    for (const listener of [...this.listeners]) listener(this);
  }

  /** The one chosen node, if nothing else is chosen. @returns {number | null} */
  get node() {
    return this.nodes.size === 1 && this.arcs.size === 0 ? [...this.nodes][0] : null;
  }

  /** The one chosen arc, if nothing else is chosen. @returns {number | null} */
  get arc() {
    return this.arcs.size === 1 && this.nodes.size === 0 ? [...this.arcs][0] : null;
  }

  /** Be told of every change; returns what ends that. @param {(selection: Selection) => void} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
