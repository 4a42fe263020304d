import type { Pod } from '../domain.ts';
import { type EngineProfile, type Page, PROFILE_PAGES, readProfile } from './engine-profile.ts';
import type { Sleep } from './sleep.ts';

export interface EngineProfilesOptions {
  /** GET of a page of the pod's HTTP API. Rejects if there is no answer. */
  readonly get: (pod: Pod, path: string, signal: AbortSignal) => Promise<NonNullable<Page>>;
  /** How long one page may take. */
  readonly timeoutMs: number;
  /** From one answer to the next question: adapters are loaded while an engine runs. */
  readonly refreshMs: number;
  /** After no answer, doubling from one to the next up to `refreshMs`. */
  readonly retryMs: number;
  readonly sleep: Sleep;
  /** A pod has answered for the first time, or otherwise than before. */
  readonly onProfile: (pod: Pod, profile: EngineProfile) => void;
}

interface Followed {
  readonly leaving: AbortController;
  /** Ends the pause before the next question. */
  pause: AbortController;
  readonly asking: Promise<void>;
  profile: EngineProfile | undefined;
}

/** Asks each engine who it is when it joins, when it has started anew, and now and then. */
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
      profile: undefined,
      asking: Promise.resolve().then(() => this.#keepAsking(pod, followed)),
    };
    this.#followed.set(pod.name, followed);
  }

  /** It may be another process now. */
  restarted(pod: string): void {
    this.#followed.get(pod)?.pause.abort();
  }

  /** Nothing is told of this pod after this is called. */
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
    const { refreshMs, retryMs, onProfile } = this.#options;
    let waitMs = retryMs;
    while (!followed.leaving.signal.aborted) {
      // Before the question: who starts while it is under way is asked again.
      followed.pause = new AbortController();
      const profile = await this.#ask(pod, followed.leaving.signal);
      if (followed.leaving.signal.aborted) return;
      if (profile !== undefined && JSON.stringify(profile) !== JSON.stringify(followed.profile)) {
        followed.profile = profile;
        onProfile(pod, profile);
      }
      waitMs = profile === undefined ? Math.min(2 * waitMs, refreshMs) : retryMs;
      await this.#wait(profile === undefined ? waitMs : refreshMs, followed);
    }
  }

  /** undefined: it answers nothing at all. */
  async #ask(pod: Pod, leaving: AbortSignal): Promise<EngineProfile | undefined> {
    const { get, timeoutMs } = this.#options;
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(timeoutMs)]);
    const page = (path: string): Promise<Page> => get(pod, path, signal).catch(() => undefined);
    const [version, models, sources] = await Promise.all([
      page(PROFILE_PAGES.version),
      page(PROFILE_PAGES.models),
      page(PROFILE_PAGES.sources),
    ]);
    const isSilent = version === undefined && models === undefined && sources === undefined;
    return isSilent ? undefined : readProfile({ version, models, sources });
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
