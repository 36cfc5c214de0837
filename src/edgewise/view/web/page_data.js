/** The data that stand in a page: JSON, or the base64 of JSON that is deflated, where it is large. */

import { bytesOf } from "./arrays.js";

/** @returns {Promise<any>} */
export async function pageData() {
  const given = JSON.parse(document.getElementById("data")?.textContent ?? "null");
  if (typeof given !== "string") return given;
  if (!("DecompressionStream" in globalThis)) throw new Error("this browser is from before 2023 and cannot read this page's data");
  const whole = new Blob([bytesOf(given)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(whole).text());
}

/** Do it with the page's data, in the page's element; what goes wrong is said there.
 * @param {(data: any, el: HTMLElement) => void} show */
export async function withPageData(show) {
  const el = /** @type {HTMLElement} */ (document.getElementById("view"));
  try {
    show(await pageData(), el);
  } catch (error) {
    el.textContent = `The page cannot be shown: ${error instanceof Error ? error.message : error}.`;
    throw error;
  }
}
