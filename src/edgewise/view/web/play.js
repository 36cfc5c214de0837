/** The page of `edgewise play`: the view of a model that the server keeps. */

import { SocketModel } from "./socket_model.js";
import { render } from "./view.js";

const first = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("data")).textContent ?? "");
const el = /** @type {HTMLElement} */ (document.getElementById("view"));
render({ model: new SocketModel(new URL("socket", location.href).href.replace(/^http/, "ws"), { data: first }), el });
