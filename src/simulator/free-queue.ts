/** The free blocks in the order in which they will be taken: a doubly linked list over block ids, all operations O(1). */

const NONE = -1;

export class FreeQueue {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #end: number;
  #size = 0;

  /** Starts with blocks 0 to `blocks - 1`, in this order. */
  constructor(blocks: number) {
    // One more element than blocks: the ring's end, which stands before the head and after the tail.
    this.#next = new Int32Array(blocks + 1).fill(NONE);
    this.#previous = new Int32Array(blocks + 1).fill(NONE);
    this.#end = blocks;
    this.#next[blocks] = blocks;
    this.#previous[blocks] = blocks;
    for (let block = 0; block < blocks; block++) this.append(block);
  }

  get size(): number {
    return this.#size;
  }

  /** The last to be taken. */
  append(block: number): void {
    this.#insertAfter(this.#previous[this.#end]!, block);
  }

  /** The first to be taken. */
  prepend(block: number): void {
    this.#insertAfter(this.#end, block);
  }

  /** Takes the head. Undefined if none is free. */
  shift(): number | undefined {
    const head = this.#next[this.#end]!;
    if (head === this.#end) return undefined;
    this.remove(head);
    return head;
  }

  /** Takes a block out of the middle. It must be in the queue. */
  remove(block: number): void {
    const next = this.#next[block]!;
    const previous = this.#previous[block]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#next[block] = NONE;
    this.#size--;
  }

  #insertAfter(left: number, block: number): void {
    const right = this.#next[left]!;
    this.#next[left] = block;
    this.#previous[block] = left;
    this.#next[block] = right;
    this.#previous[right] = block;
    this.#size++;
  }
}
