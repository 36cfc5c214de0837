import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { pageData } from "../../src/edgewise/view/web/page_data.js";

/** What is read from a page that holds this text. */
function read(text) {
  globalThis.document = { getElementById: (id) => (id === "data" && text !== null ? { textContent: text } : null) };
  return pageData();
}

const DATA = { schema: 1, names: ["α", "</script>", "\u{1f600}"], numbers: Array.from({ length: 10_000 }, (_, k) => k) };

test("data are read as they stand, or inflated", async () => {
  const text = JSON.stringify(DATA);
  assert.deepEqual(await read(text), DATA);
  assert.deepEqual(await read(JSON.stringify(deflateSync(text).toString("base64"))), DATA);
});

test("a page without data has none", async () => assert.equal(await read(null), null));

test("what is cut off is told, and so is a browser that cannot inflate", async (t) => {
  const packed = deflateSync(JSON.stringify(DATA)).toString("base64");
  await assert.rejects(read(JSON.stringify(packed.slice(0, packed.length / 2 & ~3))));
  const kept = globalThis.DecompressionStream;
  t.after(() => { globalThis.DecompressionStream = kept; });
  delete globalThis.DecompressionStream;
  await assert.rejects(read(JSON.stringify(packed)), /before 2023/);
});
