/** Arrays as the page's data hold them: base64 of little-endian numbers, or plain lists. */

const KINDS = {
  float32: [Float32Array, "getFloat32"],
  float64: [Float64Array, "getFloat64"],
  int32: [Int32Array, "getInt32"],
};

/** The one kind that `packed` holds, or null if it is no packed array. @param {any} packed */
function kindOf(packed) {
  if (!packed || typeof packed !== "object") return null;
  return Object.keys(KINDS).find((kind) => typeof packed[kind] === "string") ?? null;
}

/**
 * The numbers of a packed array, row after row; of a plain list, a typed array of it.
 * @param {any} packed
 * @returns {Float32Array | Float64Array | Int32Array}
 */
export function unpack(packed) {
  if (Array.isArray(packed)) return Float64Array.from(packed.flat(Infinity));
  const kind = kindOf(packed);
  if (kind === null) throw new TypeError("not a packed array");
  const [Kind, read] = KINDS[kind];
  const text = atob(packed[kind]);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = Kind.BYTES_PER_ELEMENT;
  return Kind.from({ length: bytes.length / size }, (_, k) => view[read](k * size, true));
}

/**
 * The rows of a packed matrix, as views of one array.
 * @param {any} packed with `shape: [rows, columns]`
 */
export function unpackRows(packed) {
  const all = unpack(packed);
  const [rows, columns] = packed.shape;
  return Array.from({ length: rows }, (_, k) => all.subarray(k * columns, (k + 1) * columns));
}
