import { coalesced } from '../coalesced.ts';
import { Backoff, type Clock, monotonicClock, realSleep, type Sleep } from '../time.ts';
import { versionOf } from './api-object.ts';
import { listPages, PAGE_OBJECTS, type Requests, watchFrom } from './bounded-requests.ts';
import type { KubeClient } from './client.ts';
import { KubernetesError } from './kubernetes-error.ts';
import { ObjectSet } from './object-set.ts';
import type { ReflectorFact, RelistReason } from './reflector-fact.ts';
import { errorOfEvent } from './status.ts';
import type { WatchEvent } from './watch-event.ts';

export interface ReflectorOptions<T> {
  readonly client: Pick<KubeClient, 'get' | 'watch'>;
  /** `/api/v1/pods`, `/api/v1/namespaces/x/pods`, … */
  readonly path: string;
  readonly query?: { readonly labelSelector?: string; readonly fieldSelector?: string };
  /**
   * What is kept of an object; undefined: nothing, as if it were not there. An object of the API has some ten kilobytes, so take single
   * fields. Take `metadata.uid` if it matters whether an object is another one of the same name: one that is deleted and created
   * again within 50 ms, or while nothing was heard, is a value with another uid and no more.
   */
  readonly project: (raw: unknown) => T | undefined;
  /**
   * The whole set, by `namespace/name`: after the first list, even if it is empty, and after changes, at most once in 50 ms, so that
   * many changes cost what one does. Each call gets a map of its own, in which an object that has not changed is the same value.
   */
  readonly onChange: (objects: ReadonlyMap<string, T>) => void;
  /** What it throws is dropped. */
  readonly onFact: (fact: ReflectorFact) => void;
  readonly sleep?: Sleep;
  readonly now?: Clock;
  readonly random?: () => number;
}

const PUBLISH_EVERY_MS = 50;
/** Of a watch that shows that all is well. One that ends sooner is resumed after a wait. */
const STEADY_MS = 5_000;
const BACKOFF = { firstMs: 500, maxMs: 30_000, jitter: 1 } as const;
/**
 * Watches in a row that are accepted and say nothing, or that the API server fails to begin, until all is listed again: after etcd was
 * restored from a backup, or behind another API server, nothing ever happens after the version that we have.
 */
const MAX_FRUITLESS_WATCHES = 3;

/**
 * Keeps a copy of the objects of one path of the API, by one list and then one watch, and goes on whatever happens. Our own since the
 * client library's goes silent: docs/architecture.md says how.
 */
export class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #requests: Requests;
  readonly #backoff: Backoff;
  readonly #objects: ObjectSet<T>;
  readonly #publish: () => void;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Where the watch goes on; undefined: everything has to be listed. */
  #version: string | undefined;
  #hasListed = false;
  /** How often the list under way was begun anew, since pages were too long. */
  #shortened = 0;
  #lastSignOfLifeMs: number | undefined;
  /** In a row. */
  #fruitlessWatches = 0;

  constructor(options: ReflectorOptions<T>) {
    const {
      client,
      path,
      query = {},
      sleep = realSleep,
      now = monotonicClock,
      random = Math.random,
    } = options;
    const { signal } = this.#stopping;
    this.#options = options;
    this.#requests = { client, path, query, sleep, now, random, signal };
    this.#backoff = new Backoff({ ...BACKOFF, random });
    this.#objects = new ObjectSet(raw => this.#project(raw));
    this.#publish = coalesced({
      everyMs: PUBLISH_EVERY_MS,
      now,
      sleep,
      signal,
      task: () => this.#tellObjects(),
    });
  }

  /** Whether the first list is complete. It stays so: what was known last counts while the API server is away. */
  get hasListed(): boolean {
    return this.#hasListed;
  }

  /** By `now`; undefined: nothing was ever heard. */
  get lastSignOfLifeMs(): number | undefined {
    return this.#lastSignOfLifeMs;
  }

  /** Once: further calls do nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** From the call on no function of the options is called; afterwards no timer and no request is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { sleep, signal } = this.#requests;
    while (!signal.aborted) {
      const waitMs = this.#version === undefined ? await this.#list() : await this.#watch(this.#version);
      // Rejects when it is stopped.
      if (waitMs > 0 && !signal.aborted) await sleep(waitMs, signal).catch(() => {});
    }
  }

  // ---- list and watch: both return after how many milliseconds to go on ------------------------------------------

  async #list(): Promise<number> {
    const { now, signal } = this.#requests;
    const startedAtMs = now();
    const replacement = this.#objects.replacement();
    let [pages, objects, version] = [0, 0, ''];
    try {
      for await (const page of listPages(this.#requests, PAGE_OBJECTS[this.#shortened]!)) {
        if (signal.aborted) return 0;
        this.#heard();
        replacement.add(page.items);
        pages++;
        objects += page.items.length;
        ({ version } = page);
      }
    } catch (error) {
      const failure = asKubernetesError(error);
      if (failure.kind === 'too_long' && this.#shortened < PAGE_OBJECTS.length - 1) {
        this.#shortened++;
        return 0;
      }
      return failure.kind === 'expired' ? this.#relist('list_expired') : this.#failed('list', failure);
    }
    this.#shortened = 0;
    const differs = replacement.complete();
    const isNews = differs || !this.#hasListed;
    this.#hasListed = true;
    this.#version = version;
    this.#tell({ kind: 'listed', objects, pages, tookMs: now() - startedAtMs });
    if (isNews) this.#publish();
    return 0;
  }

  async #watch(version: string): Promise<number> {
    const { now, signal } = this.#requests;
    let acceptedAtMs: number | undefined;
    let failure: KubernetesError | undefined;
    try {
      for await (const event of watchFrom(version, this.#requests)) {
        if (signal.aborted) return 0;
        this.#heard();
        if (event.type === 'OPENED') {
          acceptedAtMs = now();
          this.#tell({ kind: 'watching' });
        } else this.#apply(event);
      }
    } catch (error) {
      failure = asKubernetesError(error);
    }
    const isSteady = acceptedAtMs !== undefined && now() - acceptedAtMs >= STEADY_MS;
    if (isSteady) this.#backoff.reset();
    if (failure === undefined) return this.#closed(isSteady);
    if (failure.kind === 'timeout' && acceptedAtMs !== undefined) return this.#silent();
    if (failure.kind === 'expired') return this.#relist('expired');
    // Asked in the same way again, the answer would be the same.
    if (failure.kind === 'malformed' || failure.kind === 'refused') this.#forget(failure.kind);
    if (failure.kind === 'server_error') this.#fruitless('refused');
    return this.#failed('watch', failure);
  }

  #apply(event: WatchEvent & { readonly object: unknown }): void {
    const { type, object } = event;
    if (type === 'ERROR') throw errorOfEvent(object, this.#options.path);
    const version = versionOf(object);
    if (
      type === 'DELETED' ? this.#objects.remove(object) : type !== 'BOOKMARK' && this.#objects.put(object)
    ) {
      this.#publish();
    }
    this.#version = version;
    this.#fruitlessWatches = 0;
    this.#backoff.reset();
  }

  // ---- how it ended ----------------------------------------------------------------------------------------------

  #closed(isSteady: boolean): number {
    this.#tell({ kind: 'watch_ended', why: 'closed' });
    return isSteady ? 0 : this.#backoff.next();
  }

  #silent(): number {
    this.#tell({ kind: 'watch_ended', why: 'silent' });
    this.#fruitless('silent');
    return 0;
  }

  #fruitless(reason: RelistReason): void {
    if (++this.#fruitlessWatches >= MAX_FRUITLESS_WATCHES) this.#forget(reason);
  }

  #relist(reason: RelistReason): number {
    this.#forget(reason);
    return this.#backoff.next();
  }

  #forget(reason: RelistReason): void {
    this.#version = undefined;
    this.#fruitlessWatches = 0;
    this.#tell({ kind: 'relist', reason });
  }

  #failed(during: 'list' | 'watch', { kind: error, message, retryAfterMs }: KubernetesError): number {
    // Beside what the API server asks for, since it asks all for the same.
    const retryInMs = retryAfterMs + this.#backoff.next();
    this.#tell({ kind: 'failed', during, error, message, retryInMs });
    return retryInMs;
  }

  // ---- the caller's functions --------------------------------------------------------------------------------------

  #heard(): void {
    this.#lastSignOfLifeMs = this.#requests.now();
    this.#tell({ kind: 'sign_of_life' });
  }

  #project(raw: unknown): T | undefined {
    try {
      return this.#options.project(raw);
    } catch (error) {
      this.#tell({ kind: 'handler_failed', handler: 'project', message: messageOf(error) });
      return undefined;
    }
  }

  #tellObjects(): void {
    try {
      this.#options.onChange(this.#objects.snapshot());
    } catch (error) {
      this.#tell({ kind: 'handler_failed', handler: 'onChange', message: messageOf(error) });
    }
  }

  #tell(fact: ReflectorFact): void {
    if (this.#requests.signal.aborted) return;
    try {
      this.#options.onFact(fact);
    } catch {
      // There is nobody left to tell.
    }
  }
}

function asKubernetesError(error: unknown): KubernetesError {
  if (error instanceof KubernetesError) return error;
  return new KubernetesError('unavailable', messageOf(error), { cause: error });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
