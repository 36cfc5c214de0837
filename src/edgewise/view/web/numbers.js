/** Numbers and names as people read them. */

const MINUS = "−";

/**
 * A number to `digits` significant digits, with a true minus sign, never "-0".
 * @param {number} x
 */
export function shown(x, digits = 4) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : `${MINUS}∞`;
  if (x === 0) return "0";
  const size = Math.abs(x);
  let text = size >= 1e6 || size < 1e-4 ? size.toExponential(digits - 1) : size.toPrecision(digits);
  if (text.includes(".")) text = text.replace(/\.?0+(e|$)/, "$1");
  const [mantissa, exponent] = text.split("e");
  if (exponent !== undefined) text = `${mantissa}·10${superscript(Number(exponent))}`;
  return (x < 0 ? MINUS : "") + text;
}

/** @param {number} whole */
function superscript(whole) {
  return String(whole).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
}

/** A number as a factor: a negative one in brackets. @param {number} x */
export function factor(x, digits = 4) {
  const text = shown(x, digits);
  return text.startsWith(MINUS) ? `(${text})` : text;
}

/** A whole number with thousands set apart. @param {number|bigint} n */
export function counted(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 arc", "2 arcs". @param {number|bigint} n @param {string} what */
export function plural(n, what) {
  return `${counted(n)} ${what}${BigInt(n) === 1n ? "" : "s"}`;
}

// control characters, halves of characters, and what turns the direction of writing
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A name with nothing in it that could steer its surroundings. @param {string} name */
export function printable(name) {
  return name.replace(UNPRINTABLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A name cut to `most` characters. @param {string} name */
export function short(name, most = 16) {
  const letters = Array.from(printable(name.slice(0, 4 * most)));
  return letters.length <= most && name.length <= 4 * most ? letters.join("") : letters.slice(0, most - 1).join("") + "…";
}
