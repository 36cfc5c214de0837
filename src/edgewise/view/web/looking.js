/** Which sample is looked at: one object for all sections of a view. */

export class Looking {
  constructor() {
    this.sample = 0;
    /** @type {Set<() => void>} */ this.listeners = new Set();
  }

  /** @param {number} sample */
  set(sample) {
    if (sample === this.sample) return;
    this.sample = sample;
    for (const listener of [...this.listeners]) listener();
  }

  /** Be told of every change; returns what ends that. @param {() => void} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
