/** An unsigned 64-bit integer as two lanes, changed in place. */
export class U64 {
  hi = 0;
  lo = 0;

  set(hi: number, lo: number): void {
    this.hi = hi >>> 0;
    this.lo = lo >>> 0;
  }

  xor({ hi, lo }: U64): void {
    this.set(this.hi ^ hi, this.lo ^ lo);
  }

  add(hi: number, lo: number): void {
    const sum = this.lo + lo;
    this.set(this.hi + hi + (sum > 0xffffffff ? 1 : 0), sum);
  }

  /** Exclusive or with itself shifted right by 1 to 31 bits. */
  xorShift(bits: number): void {
    this.set(this.hi ^ (this.hi >>> bits), this.lo ^ ((this.lo >>> bits) | (this.hi << (32 - bits))));
  }

  /** Modulo 2^64. */
  multiply(hi: number, lo: number): void {
    const [a0, a1, b0, b1] = [this.lo & 0xffff, this.lo >>> 16, lo & 0xffff, lo >>> 16];
    const low = a0 * b0;
    const middle = (low >>> 16) + ((a0 * b1) & 0xffff) + ((a1 * b0) & 0xffff);
    const carried = a1 * b1 + ((a0 * b1) >>> 16) + ((a1 * b0) >>> 16) + (middle >>> 16);
    this.set(carried + Math.imul(this.hi, lo) + Math.imul(this.lo, hi), (middle << 16) | (low & 0xffff));
  }
}

/** Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
export function splitmix64(x: U64): void {
  x.add(0x9e3779b9, 0x7f4a7c15);
  x.xorShift(30);
  x.multiply(0xbf58476d, 0x1ce4e5b9);
  x.xorShift(27);
  x.multiply(0x94d049bb, 0x133111eb);
  x.xorShift(31);
}
