import { coalesced } from '../../coalesced.ts';
import type { Pod } from '../../domain.ts';
import { monotonicClock } from '../../time.ts';
import type { EngineProfile } from '../engine-profile.ts';
import { EngineProfiles, type EngineProfilesOptions } from '../engine-profiles.ts';

/** What an engine serves, by its own account. */
export type EngineNames = NonNullable<EngineProfile['models']>;

export interface NamesOfEnginesOptions
  extends Pick<EngineProfilesOptions, 'get' | 'refreshMs' | 'slots' | 'sleep' | 'random'> {
  /** Engines have answered for the first time, or otherwise than before: at most once in 50 ms, as many change at once at the start. */
  readonly onChange: () => void;
}

/** Of one page. An engine that is busy with a long prompt may take this long for anything. */
const PAGE_TIMEOUT_MS = 5_000;
const RETRY_MS = 500;
const TELL_EVERY_MS = 50;

/** Asks engines for the names that they serve (`GET /v1/models`), now and then: LoRA adapters come and go. */
export class NamesOfEngines {
  readonly #profiles: EngineProfiles;
  readonly #followed = new Map<string, Pod>();
  readonly #stopping = new AbortController();
  #leaving: Promise<unknown> = Promise.resolve();

  constructor({ onChange, ...options }: NamesOfEnginesOptions) {
    this.#profiles = new EngineProfiles({
      ...options,
      pages: ['models'],
      timeoutMs: PAGE_TIMEOUT_MS,
      retryMs: Math.min(RETRY_MS, options.refreshMs),
      onProfile: coalesced({
        ...{ everyMs: TELL_EVERY_MS, now: monotonicClock, sleep: options.sleep },
        signal: this.#stopping.signal,
        task: onChange,
      }),
    });
  }

  /** Asks exactly these from now on. One at another address, or of another incarnation, is asked again. */
  follow(pods: readonly Pod[]): void {
    const wanted = new Map(pods.map(pod => [pod.name, pod]));
    for (const [name, pod] of this.#followed) {
      const next = wanted.get(name);
      if (next === pod) continue;
      if (next?.ip === pod.ip && next.port === pod.port && next.incarnation === pod.incarnation) continue;
      this.#followed.delete(name);
      this.#leaving = Promise.all([this.#leaving, this.#profiles.leave(name)]);
    }
    for (const [name, pod] of wanted) {
      if (this.#followed.has(name)) continue;
      this.#followed.set(name, pod);
      this.#profiles.follow(pod);
    }
  }

  /** undefined: it has not answered yet. `none`: it answers, and does not say. The same value until the engine says something else. */
  of(pod: string): EngineNames | 'none' | undefined {
    const profile = this.#profiles.of(pod);
    return profile && (profile.models ?? 'none');
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#followed.clear();
    await Promise.all([this.#leaving, this.#profiles.stop()]);
  }
}
