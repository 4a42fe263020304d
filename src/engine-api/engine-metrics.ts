/**
 * Asks engines how busy they are: `GET /metrics` of each pod whose load somebody wants to know. One request at a time per pod, so
 * many of all together, and nothing at all while nobody wants to know.
 */
import { type EngineLoad, endpointOf, type Pod, type UnknownEngineLoad } from '../domain.ts';
import { Slots } from '../slots.ts';
import { type Clock, monotonicClock, realSleep, type Sleep } from '../time.ts';
import { type EnginePage, EnginePageReader } from './engine-page.ts';
import { createProbe, type Probe } from './probe.ts';
import { RecentWork } from './recent-work.ts';

export interface EngineMetricsOptions {
  /** From one answer to the next question while decisions are made by it. Longer where there are very many pods. 0: never. */
  readonly intervalMs: number;
  /**
   * Whether pods are asked while no decision is made by their load: `always` as often as then, since the next one will be;
   * `shown` now and then; `on_demand` not at all.
   */
  readonly use: 'always' | 'shown' | 'on_demand';
  /** How engines are spoken to, and whom to trust with https. Default: http. */
  readonly scheme?: 'http' | 'https';
  readonly ca?: string | undefined;
  readonly onFact?: (fact: ScrapeFact) => void;
  readonly now?: Clock;
  readonly sleep?: Sleep;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export type ScrapeFact =
  | { readonly kind: 'scraped'; readonly pod: Pod }
  | { readonly kind: 'failed'; readonly pod: Pod; readonly why: ScrapeFailure };

export type ScrapeFailure = 'refused' | 'timeout' | 'broken' | 'status' | 'too_long' | 'no_known_metrics';

/** A page of 280 kB costs a millisecond of processor time, HTTP included: a thousand pods take a quarter of one core. */
const MS_PER_POD = 5;
/** An engine that is busy with a long prompt may take this long for anything. */
const TIMEOUT_MS = 2_000;
/** Of pages with many ranks and adapters. */
const MAX_PAGE_BYTES = 8 << 20;
/** Below the 5 s after which uvicorn, the engines' server, closes an idle connection. */
const KEEP_ALIVE_MS = 4_500;
const MAX_AT_ONCE = 16;
/** How often a pod is asked for what is only shown: as often as Prometheus asks us, or so. */
const SHOWN_EVERY_MS = 10_000;
/** Where there are very many pods: 2 % of one core. */
const SHOWN_MS_PER_POD = 50;
/** Whoever has looked at it so long ago does not look again. Prometheus comes every minute, or sooner. */
const LOOKED_AT_FOR_MS = 300_000;
/** A decision that was made by it so long ago was the last one. */
const WANTED_FOR_MS = 60_000;
/** Nothing that is older counts, where pods are asked more often. */
const STALE_AFTER_MS = 5_000;
const STALE_AFTER_QUESTIONS = 3;
/** A pod that does not answer is asked half as often each time, down to this. */
const MAX_WAIT_MS = 30_000;

interface Followed {
  readonly pod: Pod;
  readonly leaving: AbortController;
  readonly work: RecentWork;
  /** undefined: nobody wants to know. */
  asking: Promise<void> | undefined;
  wantedAtMs: number;
  askedAtMs: number;
  failures: number;
  load: EngineLoad;
}

export class EngineMetrics {
  readonly #options: Required<EngineMetricsOptions>;
  readonly #probe: Probe;
  readonly #slots = new Slots(MAX_AT_ONCE);
  readonly #followed = new Map<string, Followed>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: EngineMetricsOptions) {
    this.#options = {
      ...{ scheme: 'http', ca: undefined, onFact: () => {}, now: monotonicClock },
      ...{ sleep: realSleep, random: Math.random },
      ...options,
    };
    const { ca } = this.#options;
    this.#probe = createProbe({ maxBytes: MAX_PAGE_BYTES, keepAliveMs: KEEP_ALIVE_MS, ca });
  }

  follow(pod: Pod): void {
    const followed: Followed = {
      pod,
      leaving: new AbortController(),
      work: new RecentWork(),
      asking: undefined,
      wantedAtMs: Number.NEGATIVE_INFINITY,
      askedAtMs: Number.NEGATIVE_INFINITY,
      failures: 0,
      load: NOT_ASKED,
    };
    this.#followed.set(pod.name, followed);
    if (this.#options.use !== 'on_demand' || this.#isLookedAt) this.#begin(followed);
  }

  /** Nothing is reported of this pod after this is called. */
  leave(pod: string): void {
    this.#followed.get(pod)?.leaving.abort();
    this.#followed.delete(pod);
  }

  /** For decisions, and for who watches: as long as this is called, the pod is asked again and again. */
  loadOf(pod: Pod): EngineLoad {
    const followed = this.#followed.get(pod.name);
    if (followed === undefined) return NOT_ASKED;
    followed.wantedAtMs = this.#options.now();
    this.#begin(followed);
    return this.#unlessStale(followed.load, this.#intervalMs());
  }

  /** What a decision would be made by, without asking for it. */
  peekLoadOf(pod: Pod): EngineLoad {
    const followed = this.#followed.get(pod.name);
    return followed === undefined ? NOT_ASKED : this.#unlessStale(followed.load, this.#intervalMs());
  }

  /** Somebody looks at what is made of it: for some minutes pods are asked now and then, as if their load were to be shown. */
  lookedAt(): void {
    this.#lookedAtMs = this.#options.now();
    for (const followed of this.#followed.values()) this.#begin(followed);
  }

  /** To be shown: what is known without asking for it. */
  shownLoadOf(pod: string): EngineLoad {
    const followed = this.#followed.get(pod);
    if (followed === undefined) return NOT_ASKED;
    const everyMs = this.#options.use === 'always' ? this.#intervalMs() : this.#shownEveryMs;
    return this.#unlessStale(followed.load, everyMs);
  }

  async stop(): Promise<void> {
    const all = [...this.#followed.values()];
    for (const { pod } of all) this.leave(pod.name);
    await this.#probe.close();
    await Promise.all(all.map(({ asking }) => asking));
  }

  /** @param everyMs from one question to the next */
  #unlessStale(load: EngineLoad, everyMs: number): EngineLoad {
    if (load.kind === 'unknown') return load;
    const limitMs = Math.max(STALE_AFTER_MS, STALE_AFTER_QUESTIONS * everyMs);
    return this.#options.now() - load.atMs <= limitMs ? load : NO_ANSWER;
  }

  #intervalMs(): number {
    return Math.max(this.#options.intervalMs, MS_PER_POD * this.#followed.size);
  }

  #begin(followed: Followed): void {
    if (followed.asking !== undefined || this.#options.intervalMs === 0) return;
    followed.asking = this.#keepAsking(followed).finally(() => {
      followed.asking = undefined;
    });
  }

  async #keepAsking(followed: Followed): Promise<void> {
    const { sleep, random, use } = this.#options;
    const { leaving } = followed;
    let waitMs = this.#intervalMs() * random();
    while (use !== 'on_demand' || this.#isLookedAt || this.#isWanted(followed)) {
      try {
        await sleep(Math.round(waitMs), leaving.signal);
        if (this.#isDue(followed)) await this.#slots.run(leaving.signal, () => this.#ask(followed));
      } catch {
        return;
      }
      waitMs = this.#intervalMs() * (0.9 + 0.1 * random());
    }
  }

  get #isLookedAt(): boolean {
    return this.#options.now() - this.#lookedAtMs < LOOKED_AT_FOR_MS;
  }

  get #shownEveryMs(): number {
    return Math.max(SHOWN_EVERY_MS, SHOWN_MS_PER_POD * this.#followed.size, this.#intervalMs());
  }

  #isWanted({ wantedAtMs }: Followed): boolean {
    const { use, now } = this.#options;
    return use === 'always' || now() - wantedAtMs < WANTED_FOR_MS;
  }

  #isDue(followed: Followed): boolean {
    const { askedAtMs, failures } = followed;
    const passedMs = this.#options.now() - askedAtMs;
    const everyMs = this.#isWanted(followed) ? 0 : this.#shownEveryMs;
    const afterFailuresMs = failures === 0 ? 0 : Math.min(MAX_WAIT_MS, this.#intervalMs() * 2 ** failures);
    return passedMs >= Math.max(everyMs, afterFailuresMs);
  }

  async #ask(followed: Followed): Promise<void> {
    const { scheme, now, onFact } = this.#options;
    const { pod, leaving } = followed;
    followed.askedAtMs = now();
    const page = new EnginePageReader();
    const { ip, port, metricsPort = port } = pod;
    const origin = `${scheme}://${endpointOf({ ip, port: metricsPort })}`;
    const answer = await this.#probe.stream(origin, '/metrics', TIMEOUT_MS, part => page.push(part));
    if (leaving.signal.aborted) return;
    const why = failureOf(answer);
    const load = why === undefined ? this.#read(followed, page.end()) : undefined;
    if (load?.kind === 'known') {
      followed.failures = 0;
      followed.load = load;
      onFact({ kind: 'scraped', pod });
      return;
    }
    followed.failures = Math.min(followed.failures + 1, 16);
    if (load !== undefined || followed.load.kind === 'unknown') followed.load = load ?? NO_ANSWER;
    onFact({ kind: 'failed', pod, why: why ?? 'no_known_metrics' });
  }

  #read({ work }: Followed, { sums, adapters }: EnginePage): EngineLoad {
    const { running, waiting } = sums;
    if (running.series === 0 || waiting.series === 0) return NOT_TOLD;
    const atMs = this.#options.now();
    work.add(sums, atMs);
    return {
      kind: 'known',
      atMs,
      running: Math.max(0, running.value),
      waiting: Math.max(0, waiting.value),
      kvUsage: meanOf(sums.kvUsage),
      cpuKvUsage: meanOf(sums.cpuKvUsage),
      utilization: meanOf(sums.utilization),
      busyShare: work.busyShare,
      recent: work.requests,
      adapters,
    };
  }
}

const NOT_ASKED: UnknownEngineLoad = { kind: 'unknown', why: 'not_asked' };
const NO_ANSWER: UnknownEngineLoad = { kind: 'unknown', why: 'no_answer' };
const NOT_TOLD: UnknownEngineLoad = { kind: 'unknown', why: 'not_told' };

function failureOf(answer: Awaited<ReturnType<Probe['stream']>>): ScrapeFailure | undefined {
  if (answer.kind !== 'answered') return answer.kind;
  if (answer.status !== 200) return 'status';
  return answer.extent === 'cut' ? 'too_long' : undefined;
}

/** SGLang says -1 for what it does not know. */
function meanOf({ value, series }: EnginePage['sums']['kvUsage']): number | undefined {
  return series === 0 || value < 0 ? undefined : value / series;
}
