import { LRUCache } from 'lru-cache';
import type { Pod } from '../domain.ts';
import { fingerprintsOf } from '../prompt/fingerprints.ts';
import type { PromptRequest } from '../prompt/request.ts';
import type { Clock } from '../time.ts';

export interface PromptHistoryOptions {
  /** Most (prompt, pod) pairs, each of some 200 bytes; those used longest ago go first. */
  readonly maxEntries: number;
  /** How long it counts that a prompt was sent somewhere. */
  readonly timeToLiveMs: number;
  /** Any 32-bit number that clients do not know. */
  readonly seed: number;
  readonly now: Clock;
}

/** Of one prompt, how far it was sent to each pod before, in places where it was recognized; in the pods' order. */
export interface PromptRecognized {
  readonly matched: Uint32Array;
  readonly total: Uint32Array;
}

interface Sent {
  readonly pod: Pod;
  readonly atMs: number;
}

const NOTHING_TO_TAKE_BACK = () => {};

/** More pods per prompt do not make it any easier to place. */
const MAX_PODS_PER_PROMPT = 8;

/**
 * Where prompts went, as their clients wrote them: for those that nobody has tokens of. As long as all prompts have tokens it
 * costs nothing: it starts to remember with the first one that has none, and goes on for as long as anything counts.
 */
export class PromptHistory {
  readonly #options: PromptHistoryOptions;
  /** Fingerprint → to whom, newest last. */
  readonly #sent: LRUCache<number, readonly Sent[]>;
  #remembersUntilMs = Number.NEGATIVE_INFINITY;
  /** Of the prompt last asked about: it is remembered next. */
  #last: { readonly prompt: PromptRequest; readonly places: readonly number[] } | undefined;

  constructor(options: PromptHistoryOptions) {
    this.#options = options;
    this.#sent = new LRUCache({ max: options.maxEntries });
  }

  /** For a prompt without tokens. */
  find(prompt: PromptRequest, pods: readonly Pod[]): PromptRecognized {
    const { seed, now, timeToLiveMs } = this.#options;
    const nowMs = now();
    this.#remembersUntilMs = nowMs + timeToLiveMs;
    const places = fingerprintsOf(prompt, seed);
    this.#last = { prompt, places };
    return this.#recognized(places, pods, place => this.#sent.get(place));
  }

  /** The same, and nothing is remembered because of it, nor longer. */
  peek(prompt: PromptRequest, pods: readonly Pod[]): PromptRecognized {
    const places = fingerprintsOf(prompt, this.#options.seed);
    return this.#recognized(places, pods, place => this.#sent.peek(place));
  }

  #recognized(
    places: readonly number[],
    pods: readonly Pod[],
    sentTo: (place: number) => readonly Sent[] | undefined,
  ): PromptRecognized {
    const { now, timeToLiveMs } = this.#options;
    const nowMs = now();
    const matched = new Uint32Array(pods.length);
    const at = new Map(pods.map((pod, i) => [pod, i]));
    for (const [i, place] of places.entries()) {
      for (const { pod, atMs } of sentTo(place) ?? []) {
        const index = at.get(pod);
        if (index !== undefined && nowMs - atMs < timeToLiveMs) matched[index] = i + 1;
      }
    }
    return { matched, total: new Uint32Array(pods.length).fill(places.length) };
  }

  /**
   * The prompt was sent to this pod. For any prompt, since its next turn may have no tokens. Returns how to take that back, if its
   * request fails.
   */
  remember(prompt: PromptRequest, pod: Pod): () => void {
    const { seed, now } = this.#options;
    const sent: Sent = { pod, atMs: now() };
    if (sent.atMs >= this.#remembersUntilMs) return NOTHING_TO_TAKE_BACK;
    const last = this.#last?.prompt === prompt ? this.#last : undefined;
    this.#last = undefined;
    const places = last?.places ?? fingerprintsOf(prompt, seed);
    const before = places.map(place => this.#sent.get(place)?.find(other => other.pod === pod));
    for (const place of places) {
      const others = this.#sent.get(place)?.filter(other => other.pod !== pod) ?? [];
      this.#sent.set(place, [...others.slice(1 - MAX_PODS_PER_PROMPT), sent]);
    }
    return () => {
      for (const [i, place] of places.entries()) {
        const all = this.#sent.get(place);
        if (all === undefined || !all.includes(sent)) continue;
        const restored = all.flatMap(each => (each === sent ? (before[i] ?? []) : each));
        this.#sent.set(place, restored);
      }
    };
  }
}
