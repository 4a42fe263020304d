/**
 * Tokenize each prompt once: results are kept in an LRU bounded in bytes, and callers who ask for the same prompt at the
 * same time share one computation. It is cancelled when the last of them has gone, not before.
 */
import { LRUCache } from 'lru-cache';
import type { MediaItem } from '../../domain.ts';
import { TokenizerError } from '../tokenizer.ts';

/** What an entry costs beside its ids: the key, the list node, the array's header. */
const ENTRY_OVERHEAD_BYTES = 256;
/** An image, beside its identifier. */
const MEDIA_OVERHEAD_BYTES = 128;

/** What an engine makes of a prompt. */
export interface EngineTokens {
  readonly ids: Uint32Array;
  readonly media: readonly MediaItem[];
}

type Compute = (signal: AbortSignal) => Promise<EngineTokens>;

interface Flight {
  readonly result: Promise<EngineTokens>;
  readonly abort: AbortController;
  waiters: number;
}

/** - `hit`: from the LRU; `shared`: a computation was already under way; `computed`: it was started for this call. */
export type CacheOutcome = 'hit' | 'shared' | 'computed';

export interface TokenCache {
  /**
   * The tokens under `key`. All callers get the same ones: nobody may write to them. Rejects with what `compute` rejects
   * with, or with TokenizerError `aborted` as soon as `signal` is. A rejection is not kept.
   */
  get(
    key: string,
    signal: AbortSignal,
    compute: Compute,
    onOutcome: (outcome: CacheOutcome) => void,
  ): Promise<EngineTokens>;
  /** Cancels whatever is under way and forgets everything. */
  clear(): void;
}

/** @param maxBytes bound of what is kept; 0 keeps nothing, and concurrent calls are still shared */
export function createTokenCache(maxBytes: number): TokenCache {
  const kept =
    maxBytes > 0
      ? new LRUCache<string, EngineTokens>({
          maxSize: maxBytes,
          sizeCalculation: bytesOf,
        })
      : undefined;
  const flights = new Map<string, Flight>();

  function start(key: string, compute: Compute): Flight {
    const abort = new AbortController();
    const flight: Flight = { abort, waiters: 0, result: compute(abort.signal) };
    flights.set(key, flight);
    flight.result.then(
      ids => {
        if (land(key, flight)) kept?.set(key, ids);
      },
      () => land(key, flight),
    );
    return flight;
  }

  /** False if the flight had been abandoned: another one may be under way by now. */
  function land(key: string, flight: Flight): boolean {
    return flights.get(key) === flight && flights.delete(key);
  }

  async function join(key: string, flight: Flight, signal: AbortSignal): Promise<EngineTokens> {
    flight.waiters++;
    const { promise: gone, reject } = Promise.withResolvers<never>();
    const leave = () => reject(aborted(signal));
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight.result, gone]);
    } finally {
      signal.removeEventListener('abort', leave);
      if (--flight.waiters === 0 && land(key, flight)) flight.abort.abort(signal.reason);
    }
  }

  return {
    async get(key, signal, compute, onOutcome) {
      if (signal.aborted) throw aborted(signal);
      const ids = kept?.get(key);
      if (ids !== undefined) {
        onOutcome('hit');
        return ids;
      }
      const underWay = flights.get(key);
      onOutcome(underWay === undefined ? 'computed' : 'shared');
      return join(key, underWay ?? start(key, compute), signal);
    },
    clear() {
      for (const flight of flights.values()) flight.abort.abort();
      flights.clear();
      kept?.clear();
    },
  };
}

function aborted(signal: AbortSignal): TokenizerError {
  return new TokenizerError('aborted', 'the caller no longer waits', { cause: signal.reason });
}

function bytesOf({ ids, media }: EngineTokens): number {
  const ofMedia = media.reduce((sum, { identifier }) => sum + identifier.length + MEDIA_OVERHEAD_BYTES, 0);
  return ids.byteLength + ofMedia + ENTRY_OVERHEAD_BYTES;
}
