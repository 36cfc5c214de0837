/** The data that stand in a page: JSON, or the base64 of JSON that is deflated, where it is large. */

import { bytesOf } from "./arrays.js";

/** @returns {Promise<any>} */
export async function pageData() {
  const given = JSON.parse(document.getElementById("data")?.textContent ?? "null");
  if (typeof given !== "string") return given;
  const whole = new Blob([bytesOf(given)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(whole).text());
}
