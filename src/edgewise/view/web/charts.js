/** What charts are made of: SVG elements, scales, ticks. Colours come from the style sheet, by class. */

const SVG = ["http", "//www.w3.org/2000/svg"].join(":"); // a name, no address: a page holds no addresses

/**
 * An SVG element with attributes, listeners (`onclick: f`) and children.
 * @param {string} tag @param {Object<string, any>} [attributes] `text` is its text
 * @param {...(Node | null | undefined)} children
 * @returns {any}
 */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children.flatMap((child) => (child ? [child] : [])));
  return element;
}

/** A number of the data, where what JSON does not know is a word. @param {number | string | null} told */
export function real(told) {
  if (typeof told === "number") return told;
  return told === "inf" ? Infinity : told === "-inf" ? -Infinity : NaN;
}

/** Round numbers from `low` to `high`, about `count` of them. @param {number} low @param {number} high */
export function ticks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((times) => times * power >= rough * 0.999) ?? 10);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k === 0 ? 0 : k * step);
  return found;
}

/** Powers of ten from `low` to `high`, both above 0, at most `count`; where there are less than two, 2s and 5s too.
 * @param {number} low @param {number} high */
export function logTicks(low, high, count = 6) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  if (last - first < 1) {
    const found = [];
    for (let power = first - 1; power <= last; power++) {
      for (const times of [1, 2, 3, 5, 7]) {
        const x = Number(`${times}e${power}`);
        if (x >= low && x <= high) found.push(x);
      }
    }
    return found.length ? found : [low, high];
  }
  const step = Math.max(1, Math.ceil((last - first + 1) / count));
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, k) => Number(`1e${first + k * step}`));
}

/** From numbers to places. @param {[number, number]} domain @param {[number, number]} range
 * @returns {(x: number) => number} */
export function scale([low, high], [from, to], log = false) {
  const of = log ? Math.log : (/** @type {number} */ x) => x;
  const across = of(high) - of(low) || 1;
  return (x) => from + ((of(x) - of(low)) / across) * (to - from);
}

/** The least and the largest of those that are finite; [0, 1] if none is. @param {Iterable<number>} numbers
 * @returns {[number, number]} */
export function extent(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const x of numbers) {
    if (!Number.isFinite(x)) continue;
    low = Math.min(low, x);
    high = Math.max(high, x);
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Enter and Space as a click, for what is a button to the keyboard. @param {() => void} chosen */
export function pressed(chosen) {
  return (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    chosen();
  };
}

/** Decibels as people read them. @param {number} x */
export function decibels(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "none" : x > 0 ? "∞ dB" : "−∞ dB";
  const text = Math.abs(x).toFixed(1);
  return `${text === "0.0" ? "" : x < 0 ? "−" : "+"}${text} dB`;
}
