/** Whether the gateway will show how a request is answered. */
export type Visibility = 'watched' | 'unwatched';

/** While all is well one request of so many is watched: being shown a response costs a message each way. */
const ONE_OF = 8;
const AT_MOST = 512;

/** Which of the requests that come in are watched. */
export class WatchPlan {
  #next = 0;
  #turn = 0;

  /** So many of the next requests, whatever else is the case: a pod is new, or something may be wrong. */
  watchNext(requests: number): void {
    this.#next = Math.min(this.#next + requests, AT_MOST);
  }

  /** @param isWanted asked only if the request is not watched anyway */
  decide(isWanted: () => boolean): Visibility {
    if (this.#next > 0) {
      this.#next--;
      return 'watched';
    }
    return ++this.#turn % ONE_OF === 0 || isWanted() ? 'watched' : 'unwatched';
  }

  /** What would be decided next, which leaves all as it is. */
  peek(isWanted: () => boolean): Visibility {
    return this.#next > 0 || (this.#turn + 1) % ONE_OF === 0 || isWanted() ? 'watched' : 'unwatched';
  }
}
