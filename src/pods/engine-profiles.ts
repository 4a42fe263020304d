import type { Pod } from '../domain.ts';
import type { Slots } from '../slots.ts';
import { Backoff, type Sleep } from '../time.ts';
import {
  type EngineProfile,
  type Page,
  type Pages,
  PROFILE_PAGES,
  readPage,
  readProfile,
} from './engine-profile.ts';

export interface EngineProfilesOptions {
  /** GET of a page of the pod's HTTP API. Rejects if there is no answer. */
  readonly get: (pod: Pod, path: string, signal: AbortSignal) => Promise<NonNullable<Page>>;
  /** Which pages are wanted. Default: all. */
  readonly pages?: readonly (keyof Pages)[];
  /** How long one page may take. */
  readonly timeoutMs: number;
  /**
   * From one answer to the next question, less by up to a quarter at random: adapters are loaded while an engine runs. Longer where
   * there are very many pods.
   */
  readonly refreshMs: number;
  /** After a page without an answer, growing from one to the next up to `refreshMs`; see `Backoff`. */
  readonly retryMs: number;
  readonly sleep: Sleep;
  /** How many pods are asked at once: each question takes connections. */
  readonly slots: Slots;
  /** Of the waits; at least 0, less than 1. */
  readonly random?: () => number;
  /** A pod has answered for the first time, or otherwise than before. */
  readonly onProfile: (pod: Pod, profile: EngineProfile) => void;
}

interface Followed {
  readonly leaving: AbortController;
  /** Ends the pause before the next question. */
  pause: AbortController;
  readonly asking: Promise<void>;
  /** The last answers. */
  pages: Pages;
  profile: EngineProfile | undefined;
}

/** All pods together are asked fifty times a second at most. */
const MS_PER_POD = 20;

const NO_PAGES: Pages = { version: undefined, models: undefined, sources: undefined, serverInfo: undefined };
/** It is not wanted. */
const NOT_ASKED: Page = { status: 404, body: undefined };

/** Asks each engine who it is when it joins, when it has restarted, and now and then. */
export class EngineProfiles {
  readonly #options: EngineProfilesOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: EngineProfilesOptions) {
    this.#options = options;
  }

  /** undefined: it has not answered yet. */
  of(pod: string): EngineProfile | undefined {
    return this.#followed.get(pod)?.profile;
  }

  follow(pod: Pod): void {
    const followed: Followed = {
      leaving: new AbortController(),
      pause: new AbortController(),
      pages: NO_PAGES,
      profile: undefined,
      asking: Promise.resolve().then(() => this.#keepAsking(pod, followed)),
    };
    this.#followed.set(pod.name, followed);
  }

  /** It may be another process now. */
  restarted(pod: string): void {
    this.#followed.get(pod)?.pause.abort();
  }

  /** Nothing is reported of this pod after this is called. */
  async leave(pod: string): Promise<void> {
    const followed = this.#followed.get(pod);
    if (followed === undefined) return;
    this.#followed.delete(pod);
    followed.leaving.abort();
    await followed.asking;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#followed.keys()].map(pod => this.leave(pod)));
  }

  async #keepAsking(pod: Pod, followed: Followed): Promise<void> {
    const { refreshMs, retryMs, random = Math.random, onProfile } = this.#options;
    const retry = new Backoff({ firstMs: retryMs, maxMs: refreshMs, random });
    while (!followed.leaving.signal.aborted) {
      // Before the question: who starts while it is under way is asked again.
      followed.pause = new AbortController();
      const pages = await this.#askAll(pod, followed);
      if (pages === undefined || followed.leaving.signal.aborted) return;
      const last = followed.pages;
      followed.pages = {
        version: pages.version ?? last.version,
        models: pages.models ?? last.models,
        sources: pages.sources ?? last.sources,
        serverInfo: pages.serverInfo ?? last.serverInfo,
      };
      const answers = Object.values(pages).filter(page => page !== undefined && page !== NOT_ASKED);
      const profile = readProfile(followed.pages);
      if (answers.length > 0 && JSON.stringify(profile) !== JSON.stringify(followed.profile)) {
        followed.profile = profile;
        onProfile(pod, profile);
      }
      const isWhole = Object.values(pages).every(page => page !== undefined);
      if (isWhole) retry.reset();
      await this.#wait(isWhole ? this.#refreshMs() : retry.next(), followed);
    }
  }

  #refreshMs(): number {
    const { refreshMs, random = Math.random } = this.#options;
    return Math.max(refreshMs, this.#followed.size * MS_PER_POD) * (1 - random() / 4);
  }

  /** undefined: the pod has left. */
  async #askAll(pod: Pod, followed: Followed): Promise<Pages | undefined> {
    const { signal } = followed.leaving;
    try {
      return await this.#options.slots.run(signal, async () => {
        const [version, models, sources, serverInfo] = await Promise.all([
          this.#ask(pod, 'version', followed),
          this.#ask(pod, 'models', followed),
          this.#ask(pod, 'sources', followed),
          this.#ask(pod, 'serverInfo', followed),
        ]);
        return { version, models, sources, serverInfo };
      });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return undefined;
  }

  /** undefined: no answer. An engine that is starting, or too busy, has none to give. */
  async #ask(pod: Pod, what: keyof Pages, { leaving }: Followed): Promise<Page> {
    const { get, timeoutMs, pages } = this.#options;
    if (pages !== undefined && !pages.includes(what)) return NOT_ASKED;
    const path = PROFILE_PAGES[what];
    const signal = AbortSignal.any([leaving.signal, AbortSignal.timeout(timeoutMs)]);
    const page = await get(pod, path, signal).catch(() => undefined);
    return page !== undefined && page.status >= 500 ? undefined : readPage(what, page);
  }

  async #wait(ms: number, { leaving, pause }: Followed): Promise<void> {
    const signal = AbortSignal.any([leaving.signal, pause.signal]);
    try {
      await this.#options.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
