/** The page of `edgewise play`: the view of a model that the server keeps. */

import { pageData } from "./page_data.js";
import { SocketModel } from "./socket_model.js";
import { render } from "./view.js";

const el = /** @type {HTMLElement} */ (document.getElementById("view"));
const address = new URL("socket", location.href).href.replace(/^http/, "ws");
render({ model: new SocketModel(address, { data: await pageData() }), el });
