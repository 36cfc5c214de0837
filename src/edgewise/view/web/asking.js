/** Questions to whoever keeps the data, and their answers. */

/**
 * @typedef {(action: string, fields?: Object<string, any>, then?: (answer: any) => void) => void} Ask
 * `then` is called with the answer if nothing went wrong
 */

/**
 * @param {any} model
 * @param {(error: string | null) => void} told called with every answer: what went wrong, or null
 * @returns {{ask: Ask, close: () => void}}
 */
export function asking(model, told) {
  let last = 0;
  /** @type {Map<number, ((answer: any) => void) | undefined>} */ const waiting = new Map();
  const hear = (/** @type {any} */ answer) => {
    const then = waiting.get(answer.id);
    waiting.delete(answer.id);
    told(answer.error ?? null);
    if (!answer.error) then?.(answer);
  };
  model.on("msg:custom", hear);
  return {
    ask: (action, fields = {}, then = undefined) => {
      last += 1;
      waiting.set(last, then);
      model.send({ action, id: last, ...fields });
    },
    close: () => model.off("msg:custom", hear),
  };
}
