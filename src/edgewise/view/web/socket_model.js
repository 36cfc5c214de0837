/** A model as anywidget has it, whose data a server keeps: over a WebSocket, which is opened again when it is lost. */

import { PageModel } from "./model.js";

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
const OPEN = 1;

export class SocketModel extends PageModel {
  /**
   * @param {string} address
   * @param {Object<string, any>} traits as they are until the server says otherwise
   * @param {(address: string) => WebSocket} [connect]
   */
  constructor(address, traits, connect = (to) => new WebSocket(to)) {
    super({ ...traits, connected: false });
    this.address = address;
    this.connect = connect;
    this.wait = FIRST_WAIT;
    this.closed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */ this.timer = undefined;
    this.open();
  }

  open() {
    const socket = (this.socket = this.connect(this.address));
    socket.onopen = () => {
      this.wait = FIRST_WAIT;
      this.set("connected", true);
    };
    socket.onmessage = (event) => this.hear(event.data);
    socket.onclose = () => {
      if (socket !== this.socket || this.closed) return;
      if (this.get("connected")) this.set("connected", false);
      this.timer = setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
    };
  }

  /** @param {string} text */
  hear(text) {
    const message = JSON.parse(text);
    if ("data" in message) this.set("data", message.data);
    if ("reply" in message) this.tell(message.reply);
  }

  /** @param {any} reply */
  tell(reply) {
    for (const listener of [...(this.listeners.get("msg:custom") ?? [])]) listener(reply, []);
  }

  /** Send a message; while there is no connection it is answered with an error, since later it might be wrong. */
  send(message) {
    if (this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(message));
    else this.tell({ id: message.id ?? null, error: "the connection is lost; nothing was changed" });
  }

  /** For good. */
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }
}
