import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, factor, plural, printable, short, shown } from "../../src/edgewise/view/web/numbers.js";

test("numbers are rounded and keep their size", () => {
  assert.equal(shown(1 / 3), "0.3333");
  assert.equal(shown(-2.5), "−2.5");
  assert.equal(shown(120), "120");
  assert.equal(shown(1e-9), "1·10⁻⁹");
  assert.equal(shown(-1234567), "−1.235·10⁶");
  assert.equal(shown(-0), "0");
  assert.deepEqual([NaN, Infinity, -Infinity].map((x) => shown(x)), ["NaN", "∞", "−∞"]);
  assert.equal(factor(-2), "(−2)");
});

test("counts", () => {
  assert.equal(counted(1234567), "1,234,567");
  assert.equal(plural(1, "arc"), "1 arc");
  assert.equal(plural(10n ** 20n, "path"), "100,000,000,000,000,000,000 paths");
});

test("names cannot steer what is around them", () => {
  assert.equal(printable("a\u202eb\n"), "a\\u202eb\\u000a");
  assert.equal(printable("名🙂"), "名🙂");
  assert.equal(printable("\ud83d"), "\\ud83d");
  assert.equal(short("x".repeat(10_000)).length, 16);
  assert.equal(short("h1"), "h1");
});
