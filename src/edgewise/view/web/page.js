/** The view in a page of its own: the data stand in the page. */

import { PageModel } from "./model.js";
import { pageData } from "./page_data.js";
import { render } from "./view.js";

render({ model: new PageModel({ data: await pageData() }), el: /** @type {HTMLElement} */ (document.getElementById("view")) });
