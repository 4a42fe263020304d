/**
 * The pod that a request's session has been at. AIBrix's rules (`algorithms/simple_session_affinity.go`): the address in
 * `x-session-id` while that pod is among the candidates; else the key in `x-aibrix-session-key` by rendezvous hashing; else none.
 */
import { type Endpoint, endpointOf, type Pod } from '../../domain.ts';
import {
  anyOf,
  BY_LOAD,
  leastOf,
  NOT_COMPARED,
  type Pick,
  picked,
  type Session,
  type Snapshot,
} from './snapshot.ts';

/** Of `ip:port` in base64 there is no longer one. */
const MAX_ID_LENGTH = 128;
const MAX_KEY_BYTES = 256;

export interface SessionPod {
  readonly index: number;
  readonly by: 'session_id' | 'session_key';
}

/** undefined: the request names no session, or none that one of the pods could have. */
export function sessionPod({ id, key }: Session, pods: readonly Pod[]): SessionPod | undefined {
  const index = podWithId(id, pods);
  if (index >= 0) return { index, by: 'session_id' };
  if (key === undefined || key === '') return undefined;
  const bytes = Buffer.from(key);
  return bytes.length > MAX_KEY_BYTES
    ? undefined
    : { index: rendezvous(bytes, pods.map(endpointOf)), by: 'session_key' };
}

/** -1: none. What a client says is compared with addresses that are known, and goes nowhere else. */
export function podWithId(id: string | undefined, pods: readonly Pod[]): number {
  if (id === undefined || id === '' || id.length > MAX_ID_LENGTH) return -1;
  const address = Buffer.from(id, 'base64').toString('latin1');
  return pods.findIndex(pod => endpointOf(pod) === address);
}

/** What the next request of the session may name: it is given to clients in the `x-session-id` header. */
export function sessionIdOf(endpoint: Endpoint): string {
  return Buffer.from(endpoint, 'latin1').toString('base64');
}

export function sessionAffinity({ pods, session, running, random }: Snapshot): Pick {
  const found = sessionPod(session, pods);
  // AIBrix takes any; the least loaded are no worse a beginning.
  return found === undefined
    ? picked(anyOf(leastOf(running), random), 'no_session', BY_LOAD)
    : picked(found.index, found.by, NOT_COMPARED);
}

/** The address with the highest FNV-1a-64 hash of key, 0x00 and address; among equals the lowest address. */
export function rendezvous(key: Uint8Array, addresses: readonly string[]): number {
  const start = fnv1a(fnv1a(FNV_OFFSET, key), ZERO);
  let best = 0;
  let bestHash = { hi: -1, lo: -1 };
  for (const [i, address] of addresses.entries()) {
    const hash = fnv1a(start, Buffer.from(address, 'latin1'));
    const order = hash.hi - bestHash.hi || hash.lo - bestHash.lo;
    if (order < 0 || (order === 0 && address >= addresses[best]!)) continue;
    best = i;
    bestHash = hash;
  }
  return best;
}

interface Lanes {
  readonly hi: number;
  readonly lo: number;
}

const ZERO = Uint8Array.of(0);
const FNV_OFFSET: Lanes = { hi: 0xcbf29ce4, lo: 0x84222325 };

/** Goes on from `hash`. The prime is 2^40 + 0x1b3, so a product is a shift and two small ones: BigInt takes twenty times as long. */
function fnv1a({ hi, lo }: Lanes, bytes: Uint8Array): Lanes {
  for (const byte of bytes) {
    const low = (lo ^ byte) >>> 0;
    const product = low * 0x1b3;
    hi = (hi * 0x1b3 + Math.floor(product / 2 ** 32) + ((low << 8) >>> 0)) % 2 ** 32;
    lo = product % 2 ** 32;
  }
  return { hi, lo };
}
