import { LRUCache } from 'lru-cache';
import { type Endpoint, endpointOf, type Pod } from '../domain.ts';

/** Of ids: those of vLLM have 37 characters, OpenAI's 53. Clients may choose their own, and name any. */
const MAX_ID_LENGTH = 256;

/** One stay of a pod. What another one made at the same address, before or after it, is not there. */
interface Owner {
  readonly name: string;
  readonly endpoint: Endpoint;
  here: boolean;
}

/**
 * Which pod made which response of `/v1/responses`: engines keep them in the memory of the process that made them, so that only that
 * pod can continue (`previous_response_id`), show or cancel one.
 */
export class ResponseOwners {
  readonly #owners = new Map<Endpoint, Owner>();
  readonly #byId: LRUCache<string, Owner> | undefined;

  /** @param maxResponses how many are remembered, some 200 bytes each; those used longest ago go first. 0: none */
  constructor(maxResponses: number) {
    this.#byId = maxResponses === 0 ? undefined : new LRUCache({ max: maxResponses });
  }

  get remembers(): boolean {
    return this.#byId !== undefined;
  }

  /** Responses that are remembered; some of them may be of pods that have left. */
  get size(): number {
    return this.#byId?.size ?? 0;
  }

  joined(pod: Pod): void {
    const endpoint = endpointOf(pod);
    this.#owners.set(endpoint, { name: pod.name, endpoint, here: true });
  }

  /** Whoever it has made a response for goes by load from now on. */
  left(pod: Pod): void {
    const owner = this.#owners.get(endpointOf(pod));
    // One of another name may have the address by now.
    if (owner === undefined || owner.name !== pod.name) return;
    owner.here = false;
    this.#owners.delete(owner.endpoint);
  }

  /** @param endpoint who answered; nothing is remembered of one that is no pod */
  made(id: string, endpoint: Endpoint): void {
    const owner = this.#owners.get(endpoint);
    if (owner !== undefined && isId(id)) this.#byId?.set(id, owner);
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
    return pods.find(pod => endpointOf(pod) === owner.endpoint);
  }
}

function isId(id: string): boolean {
  return id.length > 0 && id.length <= MAX_ID_LENGTH;
}
