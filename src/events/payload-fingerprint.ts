/** Where the time of a batch is. */
const HEAD_BYTES = 16;
const TAIL_BYTES = 8;
/** At least so many bytes of the rest; all of them, if it is short. */
const SAMPLES = 32;
/**
 * A shorter message may be a heartbeat, a batch of nothing under the number of another one: a time, an empty list and a rank, as a
 * MessagePack array or as a map with their names.
 */
const MIN_BYTES = { array: 21, map: 64 } as const;

/**
 * For `Fingerprints`: of the length, the beginning, the end and some of what is between, as whole payloads would cost as much as
 * decoding them. 0 for what is so short that it may be a heartbeat.
 */
export function fingerprintOf(payload: Uint8Array): number {
  const { length } = payload;
  if (length < (isMap(payload[0]) ? MIN_BYTES.map : MIN_BYTES.array)) return 0;
  const sampled = Math.max(1, Math.floor(length / SAMPLES));
  let hash = length;
  for (let i = 0; i < HEAD_BYTES; i++) hash = Math.imul(hash ^ payload[i]!, 0x01000193);
  for (let i = HEAD_BYTES; i < length; i += sampled) hash = Math.imul(hash ^ payload[i]!, 0x01000193);
  for (let i = length - TAIL_BYTES; i < length; i++) hash = Math.imul(hash ^ payload[i]!, 0x01000193);
  return hash | 1;
}

/** MessagePack: a map of up to 15 pairs, or a longer one. */
function isMap(first: number | undefined): boolean {
  return first !== undefined && ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf);
}
