/** Memory of open-addressing tables that several threads read. */
export const EMPTY = -1;

/** Slots of `words` each for a table that is half full at most, all EMPTY; their number is a power of two. */
export function sharedInts(count: number, words: number): Int32Array {
  let capacity = 16;
  while (capacity < 2 * count) capacity *= 2;
  const bytes = capacity * words * Int32Array.BYTES_PER_ELEMENT;
  return new Int32Array(new SharedArrayBuffer(bytes)).fill(EMPTY);
}

/** The longest row of slots that are taken, also around the end. */
export function longestRun(slots: Int32Array, words: number): number {
  let longest = 0;
  let run = 0;
  for (let index = 0; index < 2 * (slots.length / words); index++) {
    run = slots[(index * words) % slots.length] === EMPTY ? 0 : run + 1;
    if (run > longest) longest = run;
  }
  return longest;
}
