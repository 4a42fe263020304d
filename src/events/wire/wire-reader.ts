import { COMMAND, GREETING_BYTES, LONG, MORE, mayBeGreeting } from './zmtp.ts';

/** What a peer may make us keep. */
export interface WireLimits {
  /** From the first packet to the end of the handshake, in milliseconds. */
  readonly handshakeMs: number;
  /** Of all frames of one message together. */
  readonly maxMessageBytes: number;
  readonly maxFrames: number;
}

/** A batch of vLLM takes three frames and some kilobytes; that of the longest prompt takes some megabytes. */
export const DEFAULT_WIRE_LIMITS: WireLimits = {
  handshakeMs: 5_000,
  maxMessageBytes: 32 * 1024 * 1024,
  maxFrames: 16,
};

/** What incomplete messages of all connections together may take, in bytes. */
export class PartialBudget {
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  /** Whether there was so much left; then it is taken. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  release(bytes: number): void {
    this.#left += bytes;
  }
}

const FAULTS = ['not_zmtp', 'too_large', 'too_many_frames', 'no_memory'] as const;

/**
 * Why a connection cannot go on.
 * - `not_zmtp`: the greeting is not ZMTP 3's, or the handshake not that of an unsecured socket;
 * - `too_large`, `too_many_frames`: one message went over a limit;
 * - `no_memory`: incomplete messages of all connections together did.
 */
export type WireFault = (typeof FAULTS)[number];

export function isFault(why: string): why is WireFault {
  return (FAULTS as readonly string[]).includes(why);
}

/** One unit of what a peer sends. Frames are copies, each payload-sized one in memory of its own. */
export type WireItem =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'command'; readonly name: string; readonly body: Uint8Array }
  | { readonly kind: 'message'; readonly frames: readonly Uint8Array[]; readonly bytes: number }
  /** Nothing follows. */
  | { readonly kind: 'fault'; readonly why: WireFault };

/** Of frames that small the pool's memory is shared: one allocation costs more than the copy. */
const POOLED_BYTES = 512;
/** A declared size is not believed: frames beyond this grow with what has come. */
const TRUSTED_BYTES = 256 * 1024;
/** A command names things; none is long. */
const MAX_COMMAND_BYTES = 4 * 1024;

/** Reads what a peer sends, in whatever pieces it comes. */
export class WireReader {
  readonly #limits: WireLimits;
  readonly #budget: PartialBudget;
  readonly #onItem: (item: WireItem) => void;
  /** Greeting, or a frame's head, as far as it has come. */
  readonly #head = Buffer.alloc(GREETING_BYTES);
  #headLength = 0;
  #headWanted = GREETING_BYTES;
  #greeted = false;
  #ended = false;
  #flags = 0;
  /** Of the current frame; undefined between two frames. */
  #body: Buffer | undefined;
  #bodySize = 0;
  #bodyLength = 0;
  #frames: Uint8Array[] = [];
  #messageBytes = 0;
  /** Taken from the budget. */
  #taken = 0;

  constructor(limits: WireLimits, budget: PartialBudget, onItem: (item: WireItem) => void) {
    this.#limits = limits;
    this.#budget = budget;
    this.#onItem = onItem;
  }

  /** @param chunk is read before this returns, and not kept */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#ended)
      at = this.#body === undefined ? this.#readHead(chunk, at) : this.#readBody(chunk, at);
  }

  /** Nothing is read any more, and nothing kept. */
  end(): void {
    this.#ended = true;
    this.#frames = [];
    this.#body = undefined;
    this.#release();
  }

  #readHead(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length) {
      this.#head[this.#headLength++] = chunk[at++]!;
      if (!this.#greeted && !mayBeGreeting(this.#head, this.#headLength)) return this.#fail('not_zmtp', at);
      if (this.#greeted && this.#headLength === 1) this.#headWanted = (this.#head[0]! & LONG) === 0 ? 2 : 9;
      if (this.#headLength < this.#headWanted) continue;
      this.#headLength = 0;
      if (this.#greeted) return this.#beginBody(chunk, at);
      this.#greeted = true;
      this.#onItem({ kind: 'greeting' });
      return at;
    }
    return at;
  }

  #beginBody(chunk: Uint8Array, at: number): number {
    const head = this.#head;
    const size =
      this.#headWanted === 2 ? head[1]! : head.readUInt32BE(1) * 0x1_0000_0000 + head.readUInt32BE(5);
    this.#flags = head[0]!;
    if ((this.#flags & COMMAND) !== 0) {
      if (this.#flags > (LONG | COMMAND) || (this.#flags & MORE) !== 0 || size > MAX_COMMAND_BYTES)
        return this.#fail('not_zmtp', at);
    } else {
      if (this.#flags > (MORE | LONG)) return this.#fail('not_zmtp', at);
      if (this.#frames.length === this.#limits.maxFrames) return this.#fail('too_many_frames', at);
      this.#messageBytes += size;
      if (this.#messageBytes > this.#limits.maxMessageBytes) return this.#fail('too_large', at);
    }
    this.#bodySize = size;
    this.#bodyLength = 0;
    if (!this.#reserve(Math.min(size, TRUSTED_BYTES))) return this.#fail('no_memory', at);
    return this.#readBody(chunk, at);
  }

  #readBody(chunk: Uint8Array, from: number): number {
    const end = Math.min(chunk.length, from + this.#bodySize - this.#bodyLength);
    const length = this.#bodyLength + end - from;
    if (
      length > this.#body!.length &&
      !this.#reserve(Math.min(this.#bodySize, Math.max(length, 2 * this.#body!.length)))
    )
      return this.#fail('no_memory', end);
    this.#body!.set(chunk.subarray(from, end), this.#bodyLength);
    this.#bodyLength = length;
    if (length === this.#bodySize) this.#endBody();
    return end;
  }

  /** Makes room for so much of the body. */
  #reserve(size: number): boolean {
    const before = this.#body;
    if (size > POOLED_BYTES) {
      const more = size - (before?.length ?? 0);
      if (!this.#budget.take(more)) return false;
      this.#taken += more;
    }
    this.#body = size <= POOLED_BYTES ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
    if (before !== undefined) this.#body.set(before.subarray(0, this.#bodyLength));
    return true;
  }

  #endBody(): void {
    const body = this.#body!;
    this.#body = undefined;
    if ((this.#flags & COMMAND) !== 0) {
      const nameLength = body[0] ?? 0;
      if (nameLength === 0 || nameLength >= body.length) this.#fail('not_zmtp', 0);
      else
        this.#onItem({
          kind: 'command',
          name: body.toString('latin1', 1, 1 + nameLength),
          body: body.subarray(1 + nameLength),
        });
      return;
    }
    this.#frames.push(body);
    if ((this.#flags & MORE) !== 0) return;
    const frames = this.#frames;
    const bytes = this.#messageBytes;
    this.#frames = [];
    this.#messageBytes = 0;
    this.#release();
    this.#onItem({ kind: 'message', frames, bytes });
  }

  #release(): void {
    this.#budget.release(this.#taken);
    this.#taken = 0;
  }

  #fail(why: WireFault, at: number): number {
    this.end();
    this.#onItem({ kind: 'fault', why });
    return at;
  }
}
