import assert from "node:assert/strict";
import { test } from "node:test";
import { unpack, unpackPlaces, unpackRows } from "../../src/edgewise/view/web/arrays.js";

test("float64 comes back bit for bit, with what JSON has no number for", () => {
  const numbers = [0.1, -0, NaN, Infinity, -Infinity, 5e-324];
  const bytes = Buffer.from(Float64Array.from(numbers).buffer).toString("base64");
  assert.deepEqual([...unpack({ float64: bytes, shape: [6] })], numbers);
});

test("int32 and plain lists", () => {
  const bytes = Buffer.from(Int32Array.from([7, -1]).buffer).toString("base64");
  assert.deepEqual([...unpack({ int32: bytes, shape: [2] })], [7, -1]);
  assert.deepEqual([...unpack([[1, 2], [3, 4]])], [1, 2, 3, 4]);
});

test("float24 is float32 without its last byte", () => {
  const numbers = [1.5, -(2 ** -100), NaN, Infinity, -Infinity, 0];
  const bytes = Buffer.from(Float32Array.from(numbers).buffer).filter((_, k) => k % 4);
  assert.deepEqual([...unpack({ float24: Buffer.from(bytes).toString("base64"), shape: [6] })], numbers);
});

test("bits are as many as the shape says, and places are where they are set", () => {
  const bits = { bits: Buffer.from([0b10000101, 0b11]).toString("base64"), shape: [10] };
  assert.deepEqual([...unpack(bits)], [1, 0, 1, 0, 0, 0, 0, 1, 1, 1]);
  assert.deepEqual(unpackPlaces(bits), [0, 2, 7, 8, 9]);
  const places = Buffer.from(Int32Array.from([4, 2]).buffer).toString("base64");
  assert.deepEqual(unpackPlaces({ int32: places, shape: [2] }), [4, 2]);
});

test("rows, also none", () => {
  const bytes = Buffer.from(Float32Array.from([1, 2, 3, 4]).buffer).toString("base64");
  assert.deepEqual(unpackRows({ float32: bytes, shape: [2, 2] }).map((row) => [...row]), [[1, 2], [3, 4]]);
  assert.deepEqual(unpackRows({ float32: "", shape: [0, 3] }), []);
});

test("anything else is refused", () => {
  for (const wrong of [null, 3, "AAAA", {}, { float16: "AAAA" }]) assert.throws(() => unpack(wrong), TypeError);
});
