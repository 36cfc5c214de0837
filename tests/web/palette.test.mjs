import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DARK, LIGHT, contrast, readable, signed } from "../../src/edgewise/view/web/palette.js";

test("every text reads on every ground: at least 4.5", () => {
  for (const palette of [LIGHT, DARK]) {
    for (const ink of ["text", "muted", "positive", "negative", "accent", "chosen"]) {
      for (const ground of ["paper", "panel"]) {
        assert.ok(contrast(palette[ink], palette[ground]) >= 4.5, `${ink} on ${ground}: ${contrast(palette[ink], palette[ground])}`);
      }
    }
    for (let x = -1; x <= 1; x += 0.05) {
      const ground = signed(x, 1, palette);
      assert.ok(contrast(readable(ground), ground) >= 4.5, `text on ${ground}: ${x}`);
    }
  }
});

test("the style sheet has the same colours", () => {
  const css = readFileSync(new URL("../../src/edgewise/view/web/view.css", import.meta.url), "utf8");
  const blocks = [...css.matchAll(/\{([^{}]*--text:[^{}]*)\}/g)].map((match) =>
    Object.fromEntries([...match[1].matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map(([, name, hex]) => [name, hex])));
  assert.deepEqual(blocks, [LIGHT, DARK, LIGHT]);
});

test("no number, no colour", () => assert.equal(signed(NaN, 1, LIGHT), null));
