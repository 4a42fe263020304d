import { type Clock, monotonicClock } from '../../time.ts';

/** What an item of a lane costs beside its payload: to be added to `bytes` of `push`. */
export const ITEM_BYTES = 128;
/** What may wait of one live connection. Above it the publisher keeps it: a subscriber that reads slowly fills its queue. */
export const MAX_LIVE_BYTES = 256 * 1024;
/** How long the event loop is kept from everything else, whatever waits, in milliseconds. One item alone may take longer. */
const TURN_MS = 2;
/** Of all lanes together: above it a lane with anything in it has no room. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;
/** Taking messages out of what was read costs time, too: from one turn to the next all lanes together have room for so much more. */
const MAX_BYTES_BETWEEN_TURNS = 512 * 1024;
/** Items that stay in a lane's list although they are handled: taking them out one by one would move the others each time. */
const MAX_HANDLED = 1_024;

export interface TurnsOptions {
  /** What handling an item threw. Its lane goes on with the next one. */
  readonly onUnexpected: (error: unknown) => void;
  readonly now?: Clock;
}

/**
 * Shares the event loop between what engines send and everything else: what was received waits in its connection's lane, and the
 * lanes take turns, an item each, until a turn is over. Requests, probes and timers come between two turns.
 */
export class Turns {
  readonly #onUnexpected: (error: unknown) => void;
  readonly #now: Clock;
  /** Lanes with something in them, the next one first. */
  readonly #queue: Lane<unknown>[] = [];
  /** Lanes that were found full. */
  readonly #full = new Set<Lane<unknown>>();
  #waitingBytes = 0;
  #bytesSinceTurn = 0;
  #next: NodeJS.Immediate | undefined;

  constructor({ onUnexpected, now = monotonicClock }: TurnsOptions) {
    this.#onUnexpected = onUnexpected;
    this.#now = now;
  }

  /** For lanes: `bytes` more wait in `lane`, or fewer. */
  account(lane: Lane<unknown>, bytes: number): void {
    this.#waitingBytes += bytes;
    if (bytes > 0) {
      this.#bytesSinceTurn += bytes;
      if (lane.length === 1) this.#queue.push(lane);
    }
    if (this.#queue.length > 0) this.#next ??= setImmediate(() => this.#run());
  }

  /** For lanes: whether there is room for more, beside what the others have. One without room is called when it has. */
  hasRoom(lane: Lane<unknown>): boolean {
    const has =
      lane.waitingBytes === 0 ||
      (lane.waitingBytes < lane.maxBytes &&
        this.#waitingBytes < MAX_WAITING_BYTES &&
        this.#bytesSinceTurn < MAX_BYTES_BETWEEN_TURNS);
    if (!has) this.#full.add(lane);
    return has;
  }

  #run(): void {
    this.#bytesSinceTurn = 0;
    const until = this.#now() + TURN_MS;
    do {
      const lane = this.#queue.shift();
      if (lane === undefined) break;
      try {
        lane.handleNext();
      } catch (error) {
        this.#onUnexpected(error);
      }
      if (lane.length > 0) this.#queue.push(lane);
    } while (this.#now() < until);
    this.#next = this.#queue.length > 0 ? setImmediate(() => this.#run()) : undefined;
    for (const lane of this.#full) {
      if (lane.waitingBytes > lane.maxBytes / 2 || !this.hasRoom(lane)) continue;
      this.#full.delete(lane);
      lane.onRoom();
    }
  }
}

export interface LaneOptions<T> {
  readonly handle: (item: T) => void;
  /** What may wait before `hasRoom` is false. */
  readonly maxBytes: number;
  /** There is room again, after `hasRoom` was false. */
  readonly onRoom: () => void;
}

/** What was received on one connection and is not handled yet, in order. */
export class Lane<T> {
  readonly maxBytes: number;
  readonly onRoom: () => void;
  readonly #handle: (item: T) => void;
  readonly #turns: Turns;
  #items: { readonly item: T; readonly bytes: number }[] = [];
  /** Of the next item. */
  #head = 0;
  #waitingBytes = 0;

  constructor(turns: Turns, { handle, maxBytes, onRoom }: LaneOptions<T>) {
    this.#turns = turns;
    this.#handle = handle;
    this.maxBytes = maxBytes;
    this.onRoom = onRoom;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get hasRoom(): boolean {
    return this.#turns.hasRoom(this as Lane<unknown>);
  }

  /** @param bytes that it costs to keep it waiting; at least 1 */
  push(item: T, bytes: number): void {
    this.#items.push({ item, bytes });
    this.#waitingBytes += bytes;
    this.#turns.account(this as Lane<unknown>, bytes);
  }

  /** For the one that shares out turns. */
  handleNext(): void {
    const next = this.#items[this.#head];
    if (next === undefined) return;
    this.#head++;
    if (this.#head === this.#items.length || this.#head === MAX_HANDLED) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    this.#release(next.bytes);
    this.#handle(next.item);
  }

  /** Nothing of it is handled after this. */
  close(): void {
    this.#items = [];
    this.#head = 0;
    this.#release(this.#waitingBytes);
  }

  #release(bytes: number): void {
    this.#waitingBytes -= bytes;
    this.#turns.account(this as Lane<unknown>, -bytes);
  }
}
