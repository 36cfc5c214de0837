/** The view in a page of its own: the data stand in the page. */

import { PageModel } from "./model.js";
import { render } from "./view.js";

const text = document.getElementById("data")?.textContent ?? "null";
render({ model: new PageModel({ data: JSON.parse(text) }), el: /** @type {HTMLElement} */ (document.getElementById("view")) });
