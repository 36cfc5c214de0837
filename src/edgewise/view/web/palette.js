/** Colours, told apart by colour-blind eyes (Okabe and Ito 2008), for light and for dark. */

export const LIGHT = {
  text: "#1b1f24", muted: "#57606a", faint: "#d0d7de", paper: "#ffffff", panel: "#f6f8fa",
  positive: "#0b5fa5", negative: "#b3500c", accent: "#007a5a", chosen: "#a3247f",
};
export const DARK = {
  text: "#e6edf3", muted: "#9da7b1", faint: "#3a424c", paper: "#0f1318", panel: "#181d24",
  positive: "#6cb6ff", negative: "#f0a35e", accent: "#35c79a", chosen: "#ee8bd0",
};

/** @typedef {typeof LIGHT} Palette */

/** The colours in use. On paper they are the light ones. */
export function colours() {
  const dark = typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: dark)").matches
    && !matchMedia("print").matches;
  return dark ? DARK : LIGHT;
}

/** Calls back when the colours change; returns what stops that. @param {() => void} changed */
export function onColours(changed) {
  if (typeof matchMedia !== "function") return () => {};
  const queries = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
  for (const query of queries) query.addEventListener("change", changed);
  return () => queries.forEach((query) => query.removeEventListener("change", changed));
}

/** The red, green and blue of "#rrggbb". @param {string} hex */
function channels(hex) {
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
}

/** The colour at `share` of the way between two. @param {string} from @param {string} to @param {number} share */
export function between(from, to, share) {
  const [a, b] = [channels(from), channels(to)];
  const mixed = a.map((x, k) => Math.round(x + (b[k] - x) * share));
  return `#${mixed.map((x) => x.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * A colour for a number of either sign: paper at 0, the full colour of its sign at `largest`. NaN has none: null.
 * @param {number} x @param {number} largest
 */
export function signed(x, largest, palette = colours()) {
  if (Number.isNaN(x)) return null;
  const share = largest > 0 ? Math.min(1, Math.abs(x) / largest) : 0;
  return between(palette.paper, x < 0 ? palette.negative : palette.positive, share);
}

/** WCAG contrast between two colours, 1 to 21. @param {string} a @param {string} b */
export function contrast(a, b) {
  const light = (hex) => {
    const [r, g, blue] = channels(hex).map((c) => (c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * blue;
  };
  const [low, high] = [light(a), light(b)].sort((p, q) => p - q);
  return (high + 0.05) / (low + 0.05);
}

/** Black or white, whichever reads better on `background`: one of them always has a contrast above 4.5.
 * @param {string} background */
export function readable(background) {
  return contrast("#000000", background) >= contrast("#ffffff", background) ? "#000000" : "#ffffff";
}
