import { readSequence } from './sequence.ts';
import type { WireFault } from './wire-reader.ts';

/** One PUB message: `[topic, sequence as 8 bytes big-endian, payload]`. */
export interface Published {
  readonly sequence: number;
  readonly payload: Uint8Array;
  /** Whether it lay in our queue behind another one: if not, we are not behind. */
  readonly waited: boolean;
}

/** `unexpected_frames`: a message that is not one of ours is skipped. A wire fault ends the connection. */
export type UnreadableMessage = 'unexpected_frames' | WireFault;

/** undefined: not a message of ours. */
export function readPublished(frames: readonly Uint8Array[], waited: boolean): Published | undefined {
  const [, sequenceFrame, payload] = frames;
  const sequence = readSequence(sequenceFrame);
  return sequence === undefined || payload === undefined || frames.length > 3
    ? undefined
    : { sequence, payload, waited };
}

/**
 * Releases the memory of a payload. Left to the garbage collector, payloads pile up beside its heap, where they make it run often,
 * and for milliseconds.
 */
export function releaseMemory({ buffer, byteLength }: Uint8Array): void {
  // A small payload shares its memory with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
