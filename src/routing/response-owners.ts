import { LRUCache } from 'lru-cache';
import { type Endpoint, endpointOf, type Pod } from '../domain.ts';
import type { Clock } from '../time.ts';

export interface ResponseOwnersOptions {
  /** How many responses are remembered, some 200 bytes each; those used longest ago go first. 0: none. */
  readonly maxResponses: number;
  /**
   * This pod has streamed many answers, and each part of them was shown to us for the sake of one id: it is worth to find out
   * whether it keeps any (`keepsNone`).
   */
  readonly onManyStreamed?: (pod: Pod) => void;
  readonly now: Clock;
}

/** Of ids: those of vLLM have 37 characters, OpenAI's 53. Clients may choose their own, and name any. */
const MAX_ID_LENGTH = 256;
const MANY_STREAMED = 16;
/** It may be restarted with other settings. */
const KEEPS_NONE_MS = 600_000;

/** One stay of a pod. What another one made at the same address, before or after it, is not there. */
interface Owner {
  readonly pod: Pod;
  here: boolean;
  /** Answers, since it was last asked. */
  streamed: number;
  keepsNoneUntilMs: number;
}

/**
 * Which pod made which response of `/v1/responses`: engines keep them in the memory of the process that made them, so that only that
 * pod can continue (`previous_response_id`), show or cancel one.
 */
export class ResponseOwners {
  readonly #options: ResponseOwnersOptions;
  readonly #owners = new Map<Endpoint, Owner>();
  readonly #byId: LRUCache<string, Owner> | undefined;

  constructor(options: ResponseOwnersOptions) {
    this.#options = options;
    const { maxResponses: max } = options;
    this.#byId = max === 0 ? undefined : new LRUCache({ max });
  }

  /** Responses that are remembered; some of them may be of pods that have left. */
  get size(): number {
    return this.#byId?.size ?? 0;
  }

  /** Whether there may be a response that is worth remembering. */
  get followsAny(): boolean {
    for (const owner of this.#owners.values()) if (this.#follows(owner)) return true;
    return false;
  }

  /** Whether the responses of this pod are worth remembering. */
  follows(pod: Pod): boolean {
    const owner = this.#owners.get(endpointOf(pod));
    return owner !== undefined && this.#follows(owner);
  }

  joined(pod: Pod): void {
    const owner = { pod, here: true, streamed: 0, keepsNoneUntilMs: Number.NEGATIVE_INFINITY };
    this.#owners.set(endpointOf(pod), owner);
  }

  /** Whoever it has made a response for goes by load from now on. */
  left(pod: Pod): void {
    const owner = this.#owners.get(endpointOf(pod));
    // One of another name may have the address by now.
    if (owner?.pod.name !== pod.name) return;
    owner.here = false;
    this.#owners.delete(endpointOf(pod));
  }

  /** @param endpoint who answered; nothing is remembered of one that is no pod */
  made(id: string, endpoint: Endpoint, how: 'whole' | 'streamed'): void {
    const owner = this.#owners.get(endpoint);
    if (owner === undefined || !isId(id)) return;
    this.#byId?.set(id, owner);
    if (how === 'streamed' && ++owner.streamed % MANY_STREAMED === 0)
      this.#options.onManyStreamed?.(owner.pod);
  }

  /** The engine says that it keeps no responses: for some time they are not looked for. */
  keepsNone(pod: Pod): void {
    const owner = this.#owners.get(endpointOf(pod));
    if (owner?.pod.name === pod.name) owner.keepsNoneUntilMs = this.#options.now() + KEEPS_NONE_MS;
  }

  /** Which of these pods made the response; undefined: none of them, or it is not known. */
  among(pods: readonly Pod[], id: string | undefined): Pod | undefined {
    if (id === undefined || !isId(id)) return undefined;
    const owner = this.#byId?.get(id);
    if (owner === undefined) return undefined;
    if (!owner.here) {
      this.#byId?.delete(id);
      return undefined;
    }
    return podOf(owner, pods);
  }

  /** The same, and nothing is used or forgotten because of it. */
  peek(pods: readonly Pod[], id: string | undefined): Pod | undefined {
    if (id === undefined || !isId(id)) return undefined;
    const owner = this.#byId?.peek(id);
    return owner?.here ? podOf(owner, pods) : undefined;
  }

  #follows({ keepsNoneUntilMs }: Owner): boolean {
    return this.#byId !== undefined && keepsNoneUntilMs <= this.#options.now();
  }
}

function podOf({ pod }: Owner, pods: readonly Pod[]): Pod | undefined {
  const endpoint = endpointOf(pod);
  return pods.find(each => endpointOf(each) === endpoint);
}

function isId(id: string): boolean {
  return id.length > 0 && id.length <= MAX_ID_LENGTH;
}
