/** The page of `edgewise play`: the view of a model that the server keeps. */

import { withPageData } from "./page_data.js";
import { SocketModel } from "./socket_model.js";
import { render } from "./view.js";

await withPageData((data, el) => {
  const address = new URL("socket", location.href).href.replace(/^http/, "ws");
  render({ model: new SocketModel(address, { data }), el });
});
