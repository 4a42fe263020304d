/** Room is taken in steps that grow with the body: at most as much again as what came, and at most the larger of these too much. */
const LEAST_PIECE_BYTES = 16 * 1024;
const LARGEST_PIECE_BYTES = 1024 * 1024;

const NO_BYTES = Buffer.alloc(0);

/**
 * A body that comes in chunks. Kept as their bytes, not as the chunks themselves: each of those is an object and a message of
 * its own, which for a body in single bytes is some hundred times the body.
 */
export class GatheredBody {
  #pieces: Buffer[] = [];
  /** Of the last piece; the others are full. */
  #used = 0;
  #bytes = 0;
  #memory = 0;

  /** Bytes of the body. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of memory that it takes, room for more included. */
  get memory(): number {
    return this.#memory;
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    // Most bodies are one chunk, which needs no copy.
    if (this.#pieces.length === 0) this.#take(chunk, chunk.length);
    else this.#copy(chunk);
    this.#bytes += chunk.length;
  }

  /** The first `most` bytes, or as many as there are. */
  beginning(most: number): Buffer {
    const [first = NO_BYTES] = this.pieces();
    return first.length >= most
      ? first.subarray(0, most)
      : Buffer.concat(this.pieces(), this.#bytes).subarray(0, most);
  }

  /** The body in one piece, which is then all that is kept of it. */
  joined(): Buffer {
    if (this.#pieces.length > 1) {
      const whole = Buffer.concat(this.pieces(), this.#bytes);
      this.#pieces = [];
      this.#memory = 0;
      this.#take(whole, whole.length);
    }
    return this.pieces()[0] ?? NO_BYTES;
  }

  /** The body in as many pieces as it is kept in. */
  pieces(): readonly Buffer[] {
    const last = this.#pieces.length - 1;
    return this.#pieces.map((piece, i) => (i === last ? piece.subarray(0, this.#used) : piece));
  }

  #copy(chunk: Buffer): void {
    for (let copied = 0; copied < chunk.length; ) {
      let last = this.#pieces.at(-1)!;
      if (this.#used === last.length) {
        const size = Math.min(Math.max(this.#bytes, LEAST_PIECE_BYTES), LARGEST_PIECE_BYTES);
        last = Buffer.allocUnsafeSlow(size);
        this.#take(last, 0);
      }
      const part = chunk.copy(last, this.#used, copied);
      this.#used += part;
      copied += part;
    }
  }

  #take(piece: Buffer, used: number): void {
    this.#pieces.push(piece);
    this.#used = used;
    this.#memory += piece.length;
  }
}
