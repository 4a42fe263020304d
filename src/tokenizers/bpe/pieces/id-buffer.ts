/** Token ids that become more. */
export class IdBuffer {
  #ids = new Uint32Array(1024);
  #length = 0;

  add(id: number): void {
    if (this.#length === this.#ids.length) this.#grow(1);
    this.#ids[this.#length++] = id;
  }

  addFrom(ids: Int32Array, first: number, count: number): void {
    if (this.#length + count > this.#ids.length) this.#grow(count);
    for (let index = 0; index < count; index++) this.#ids[this.#length++] = ids[first + index]!;
  }

  clear(): void {
    this.#length = 0;
  }

  copy(): Uint32Array<ArrayBuffer> {
    return this.#ids.slice(0, this.#length);
  }

  #grow(by: number): void {
    const grown = new Uint32Array(Math.max(2 * this.#ids.length, this.#length + by));
    grown.set(this.#ids);
    this.#ids = grown;
  }
}
