/** Arrays as the page's data hold them: base64 of little-endian numbers or of bits, or plain lists. */

const KINDS = {
  float32: [Float32Array, "getFloat32"],
  float64: [Float64Array, "getFloat64"],
  int32: [Int32Array, "getInt32"],
};

/** The one kind that `packed` holds, or null if it is no packed array. @param {any} packed */
function kindOf(packed) {
  if (!packed || typeof packed !== "object") return null;
  return ["bits", "float24", ...Object.keys(KINDS)].find((kind) => typeof packed[kind] === "string") ?? null;
}

/**
 * The numbers of a packed array, row after row, of bits 0 and 1; of a plain list, a typed array of it.
 * @param {any} packed
 * @returns {Float32Array | Float64Array | Int32Array | Uint8Array}
 */
export function unpack(packed) {
  if (Array.isArray(packed)) return Float64Array.from(packed.flat(Infinity));
  const kind = kindOf(packed);
  if (kind === null) throw new TypeError("not a packed array");
  const bytes = bytesOf(packed[kind]);
  if (kind === "bits") return Uint8Array.from({ length: packed.shape[0] }, (_, k) => (bytes[k >> 3] >> (k & 7)) & 1);
  if (kind === "float24") return widened(bytes);
  const [Kind, read] = KINDS[kind];
  const view = new DataView(bytes.buffer);
  const size = Kind.BYTES_PER_ELEMENT;
  return Kind.from({ length: bytes.length / size }, (_, k) => view[read](k * size, true));
}

/** Numbers of float32 that lack their last byte. @param {Uint8Array} bytes */
function widened(bytes) {
  const bits = Uint32Array.from({ length: bytes.length / 3 }, (_, k) => (bytes[3 * k] << 8) | (bytes[3 * k + 1] << 16) | (bytes[3 * k + 2] << 24));
  return new Float32Array(bits.buffer);
}

/** The places that a packed array of bits, or a list of whole numbers, holds. @param {any} packed @returns {number[]} */
export function unpackPlaces(packed) {
  const numbers = Array.from(unpack(packed));
  return kindOf(packed) === "bits" ? numbers.flatMap((bit, place) => (bit ? [place] : [])) : numbers;
}

/** @param {string} base64 */
export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k); // `from` would be ten times as slow
  return bytes;
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
