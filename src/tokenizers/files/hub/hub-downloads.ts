/** Models' tokenizer files from the hub: each model's once, into the cache. */
import { isDeepStrictEqual } from 'node:util';
import { Slots } from '../../../slots.ts';
import { Backoff, type Clock, deadlineAfter, type Sleep } from '../../../time.ts';
import type { Downloads } from '../file-source.ts';
import type { Located } from '../followed-model.ts';
import {
  type FilesProblem,
  type HubProblem,
  MAX_BYTES,
  MAX_TOKENIZER_BYTES,
  MODEL_CONFIG,
  TOKENIZER,
} from '../tokenizer-files.ts';
import { BodyTooLong, type HubCache, OtherBody } from './hub-cache.ts';
import type { HubClient, HubFile } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import { isHubName } from './hub-name.ts';

export interface HubDownloadsOptions {
  readonly cache: HubCache;
  readonly cacheDirectory: string;
  /** undefined: offline, only the cache is used. */
  readonly client: HubClient | undefined;
  /** The hub does not give them, and files that were downloaded earlier are used. Once per problem. */
  readonly onFallback: (model: string, problem: HubProblem) => void;
  readonly sleep: Sleep;
  /** Monotonic. */
  readonly now: Clock;
  readonly wallClock: Clock;
  /** At least 0, less than 1. */
  readonly random?: () => number;
}

const MAX_AT_ONCE = 2;
/** All files of one model. */
const WHOLE_MS = 600_000;
const ATTEMPTS = 5;
const BACKOFF = { firstMs: 1_000, maxMs: 30_000 };
/** Until a hub is asked again that did not answer, or refused. */
const FAILED_MS = 600_000;
/** The same of what it does not have: most often the name is only what the model is served as. */
const MISSING_MS = 3_600_000;
const MISSING: ReadonlySet<HubProblem['kind']> = new Set(['not_on_hub', 'not_at_hub', 'hub_file_too_long']);
/** Models of which it is remembered how their download failed. */
const MAX_FAILURES = 1_024;
const TOO_LATE = new Error('too late');

/** Models of these types may come with Mistral's own tokenizer, which goes first. */
const MISTRAL_TYPE = /"model_type"\s*:\s*"\w*(mistral|mixtral|pixtral|voxtral)\w*"/;
const MISTRAL_FILES = ['tekken.json', 'tokenizer.model.v3', 'tokenizer.model.v2', 'tokenizer.model.v1'];

interface Failure {
  readonly problem: HubProblem;
  /** When it is asked again. */
  readonly untilMs: number;
}

interface Download {
  readonly stopping: AbortController;
  readonly running: Promise<void>;
  result: 'none' | 'done' | Failure;
  /** The last problem that was told while earlier files were used. */
  told: HubProblem | undefined;
}

export class HubDownloads implements Downloads {
  readonly #options: HubDownloadsOptions;
  readonly #slots = new Slots(MAX_AT_ONCE);
  readonly #downloads = new Map<string, Download>();
  readonly #leaving = new Set<Promise<void>>();
  /** Also of models that are not served now: one that comes and goes is not asked for each time. */
  readonly #failures = new Map<string, Failure>();
  #onProgress: (model: string) => void = () => {};

  constructor(options: HubDownloadsOptions) {
    this.#options = options;
  }

  watchedOf(model: string): string {
    const { cache, cacheDirectory } = this.#options;
    return isHubName(model) ? cache.mainOf(model) : cacheDirectory;
  }

  onProgress(listener: (model: string) => void): void {
    this.#onProgress = listener;
  }

  async locate(model: string, signal: AbortSignal): Promise<Located> {
    const { cache, cacheDirectory, client } = this.#options;
    if (!isHubName(model)) return problem({ kind: 'no_hub_name' });
    signal.throwIfAborted();
    if (client !== undefined && !this.#downloads.has(model)) this.#start(model, client);
    const download = this.#downloads.get(model);
    const result = download?.result;
    if (result === 'none') return { kind: 'waiting' };
    const snapshot = await cache.snapshotOf(model, signal);
    if (snapshot !== undefined) {
      if (download !== undefined && typeof result === 'object') this.#tellFallback(model, download, result);
      return { kind: 'at', directory: snapshot, root: cache.folderOf(model) };
    }
    if (typeof result === 'object') return problem(result.problem);
    if (client === undefined) return problem({ kind: 'not_in_cache', directory: cacheDirectory });
    // Somebody has emptied the cache: once more.
    this.forget(model);
    this.#start(model, client);
    return { kind: 'waiting' };
  }

  forget(model: string): void {
    const download = this.#downloads.get(model);
    if (download === undefined) return;
    this.#downloads.delete(model);
    download.stopping.abort();
    const left = download.running.finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  async close(): Promise<void> {
    for (const model of this.#downloads.keys()) this.forget(model);
    await Promise.all(this.#leaving);
    await this.#options.client?.close();
  }

  #start(model: string, client: HubClient): void {
    const stopping = new AbortController();
    const { promise: running, resolve } = Promise.withResolvers<void>();
    const download: Download = {
      stopping,
      running,
      result: this.#failures.get(model) ?? 'none',
      told: undefined,
    };
    this.#downloads.set(model, download);
    this.#run(model, client, download)
      .catch(() => {}) // Stopped.
      .finally(resolve);
  }

  #tellFallback(model: string, download: Download, { problem }: Failure): void {
    if (isDeepStrictEqual(download.told, problem)) return;
    download.told = problem;
    this.#options.onFallback(model, problem);
  }

  /** Until the files are there. */
  async #run(model: string, client: HubClient, download: Download): Promise<void> {
    const { sleep, now } = this.#options;
    const { signal } = download.stopping;
    for (;;) {
      if (typeof download.result === 'object')
        await sleep(Math.max(0, download.result.untilMs - now()), signal);
      const failure = await this.#attempt(model, client, signal);
      signal.throwIfAborted();
      this.#failures.delete(model);
      download.result = failure ?? 'done';
      if (failure !== undefined) {
        this.#failures.set(model, failure);
        for (const oldest of this.#failures.keys()) {
          if (this.#failures.size <= MAX_FAILURES) break;
          this.#failures.delete(oldest);
        }
      }
      this.#onProgress(model);
      if (failure === undefined) return;
    }
  }

  async #attempt(model: string, client: HubClient, signal: AbortSignal): Promise<Failure | undefined> {
    const { sleep, now, random } = this.#options;
    const backoff = new Backoff({ ...BACKOFF, ...(random && { random }) });
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#slots.run(signal, () => this.#inTime(model, client, signal));
        return undefined;
      } catch (error) {
        signal.throwIfAborted();
        const { problem, retryAfterMs } = asHubError(error, client.host);
        if (retryAfterMs === undefined || attempt === ATTEMPTS) {
          const againMs = MISSING.has(problem.kind) ? MISSING_MS : FAILED_MS;
          return { problem, untilMs: now() + againMs };
        }
        await sleep(Math.max(backoff.next(), retryAfterMs), signal);
      }
    }
  }

  async #inTime(model: string, client: HubClient, signal: AbortSignal): Promise<void> {
    const deadline = deadlineAfter(WHOLE_MS, signal, TOO_LATE);
    try {
      await this.#downloadAll(model, client, deadline.signal);
    } finally {
      deadline.clear();
    }
  }

  async #downloadAll(model: string, client: HubClient, signal: AbortSignal): Promise<void> {
    const { cache, wallClock } = this.#options;
    const { host } = client;
    await cache.clean(model, wallClock());
    const commit = await client.commitOf(model, TOKENIZER, signal);
    const get = async (file: string, maxBytes: number): Promise<boolean> => {
      const known = await cache.has(model, commit, file);
      if (known !== 'unknown') return known === 'here';
      const found = await client.open(model, commit, file, signal);
      if (found === undefined) await cache.markAbsent(model, commit, file);
      else await store(file, found, maxBytes);
      return found !== undefined;
    };
    const store = async (file: string, found: HubFile, maxBytes: number): Promise<void> => {
      try {
        await cache.store(model, commit, file, found, maxBytes);
      } catch (error) {
        // Of what was not read at all.
        await found.discard().catch(() => {});
        if (error instanceof BodyTooLong)
          throw new HubError({ kind: 'hub_file_too_long', host, file, maxBytes });
        throw error;
      }
    };
    if (!(await get(TOKENIZER, MAX_TOKENIZER_BYTES)))
      throw new HubError({ kind: 'not_at_hub', host, file: TOKENIZER });
    for (const [file, maxBytes] of Object.entries(MAX_BYTES)) await get(file, maxBytes);
    const config = await cache.read(model, commit, MODEL_CONFIG, signal);
    if (MISTRAL_TYPE.test(config))
      for (const file of MISTRAL_FILES) if (await get(file, MAX_TOKENIZER_BYTES)) break;
    await cache.setMain(model, commit, signal);
  }
}

function problem(what: FilesProblem): Located {
  return { kind: 'problem', problem: what };
}

function asHubError(error: unknown, host: string): HubError {
  if (error instanceof HubError) return error;
  const reason =
    error === TOO_LATE
      ? `it took more than ${WHOLE_MS / 1_000} s`
      : error instanceof OtherBody
        ? 'a file was not what the hub says that it is'
        : ((error as NodeJS.ErrnoException).code ?? (error as Error).message);
  return new HubError({ kind: 'hub_unavailable', host, reason }, 0);
}
