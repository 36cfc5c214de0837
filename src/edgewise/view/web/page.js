/** The view in a page of its own: the data stand in the page. */

import { PageModel } from "./model.js";
import { withPageData } from "./page_data.js";
import { render } from "./view.js";

await withPageData((data, el) => void render({ model: new PageModel({ data }), el }));
