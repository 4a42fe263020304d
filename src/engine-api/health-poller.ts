/**
 * Asks every pod how it is: `GET /health`, and whether it sleeps. One request at a time per pod, the first one after a part of the
 * interval that differs from pod to pod, so that neither requests nor connections come in bursts.
 */
import { endpointOf, type Pod } from '../domain.ts';
import type { PollFact, SleepFact } from '../health/pods-health.ts';
import { monotonicClock, realSleep, type Sleep } from '../time.ts';
import { createProbe, type Probe, type ProbeAnswer } from './probe.ts';
import { readIsSleeping, readSleepMetric } from './sleep-state.ts';

export interface HealthPollerOptions {
  /** From one answer to the next question. Longer where there are very many pods. */
  readonly intervalMs: number;
  /** How engines are spoken to, and whom to trust with https. Default: http. */
  readonly scheme?: 'http' | 'https';
  readonly ca?: string | undefined;
  /** @param tookMs what the questions took that it was learned by */
  readonly onFact: (pod: Pod, fact: PollFact | SleepFact, tookMs: number) => void;
  readonly sleep?: Sleep;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** A question costs some 150 µs of processor time: at 250 a second all pods together take a few per cent of one core. */
const MS_PER_POD = 4;
/** Long enough for an engine that is busy with a long prompt, short enough for two failures within 10 s. */
const TIMEOUT_MS = 2_000;
/** After a question without an answer the next one comes sooner: one may be chance. */
const AGAIN_MS = 500;
/** Below the 5 s after which uvicorn, vLLM's server, closes an idle connection. */
const KEEP_ALIVE_MS = 4_500;
/** As long as vLLM's metrics are with several engines behind one port. */
const MAX_ANSWER_BYTES = 1 << 20;
/** Of the rounds of a pod one of so many looks for the sleep state in the metrics, which are long. */
const METRICS_EVERY_ROUNDS = 15;
/** And one of so many looks whether the engine has a sleep state now. */
const LOOK_AGAIN_EVERY_ROUNDS = 150;

type SleepSource = 'not_known' | 'endpoint' | 'metrics' | 'none';

interface Followed {
  readonly pod: Pod;
  readonly leaving: AbortController;
  readonly asking: Promise<void>;
  sleepSource: SleepSource;
  round: number;
}

export class HealthPoller {
  readonly #options: Required<HealthPollerOptions>;
  readonly #probe: Probe;
  readonly #followed = new Map<string, Followed>();

  constructor(options: HealthPollerOptions) {
    this.#options = { scheme: 'http', ca: undefined, sleep: realSleep, random: Math.random, ...options };
    const { ca } = this.#options;
    this.#probe = createProbe({ maxBytes: MAX_ANSWER_BYTES, keepAliveMs: KEEP_ALIVE_MS, ca });
  }

  follow(pod: Pod): void {
    const followed: Followed = {
      pod,
      leaving: new AbortController(),
      sleepSource: 'not_known',
      round: 0,
      asking: Promise.resolve().then(() => this.#keepAsking(followed)),
    };
    this.#followed.set(pod.name, followed);
  }

  /** Nothing is reported of this pod after this is called. */
  leave(pod: string): void {
    this.#followed.get(pod)?.leaving.abort();
    this.#followed.delete(pod);
  }

  async stop(): Promise<void> {
    const all = [...this.#followed.values()];
    for (const { pod } of all) this.leave(pod.name);
    await this.#probe.close();
    await Promise.all(all.map(({ asking }) => asking));
  }

  async #keepAsking(followed: Followed): Promise<void> {
    const { sleep, random } = this.#options;
    const { leaving } = followed;
    let waitMs = this.#intervalMs() * random();
    while (!leaving.signal.aborted) {
      try {
        await sleep(Math.round(waitMs), leaving.signal);
      } catch {
        return;
      }
      const isAnswered = await this.#ask(followed);
      const intervalMs = this.#intervalMs() * (0.9 + 0.1 * random());
      waitMs = isAnswered ? intervalMs : Math.min(AGAIN_MS, intervalMs);
    }
  }

  #intervalMs(): number {
    return Math.max(this.#options.intervalMs, MS_PER_POD * this.#followed.size);
  }

  /** Resolves to whether the pod has answered. */
  async #ask(followed: Followed): Promise<boolean> {
    const askedAt = monotonicClock();
    const answer = await this.#get(followed, '/health');
    const answeredAt = monotonicClock();
    const fact = healthOf(answer, `GET ${this.#originOf(followed.pod)}/health`);
    this.#tell(followed, fact, answeredAt - askedAt);
    if (answer.kind !== 'answered') return false;
    const isAsleep = await this.#isAsleep(followed);
    if (isAsleep !== undefined)
      this.#tell(followed, { kind: isAsleep ? 'asleep' : 'awake' }, monotonicClock() - answeredAt);
    followed.round++;
    return true;
  }

  async #isAsleep(followed: Followed): Promise<boolean | undefined> {
    const { round } = followed;
    if (round % LOOK_AGAIN_EVERY_ROUNDS === 0) followed.sleepSource = 'not_known';
    if (followed.sleepSource === 'not_known' || followed.sleepSource === 'endpoint') {
      const answer = await this.#get(followed, '/is_sleeping');
      if (answer.kind !== 'answered') return undefined;
      const isAsleep = answer.status === 200 ? readIsSleeping(answer.text) : undefined;
      followed.sleepSource = isAsleep === undefined ? 'metrics' : 'endpoint';
      if (isAsleep !== undefined) return isAsleep;
    }
    if (followed.sleepSource === 'none' || round % METRICS_EVERY_ROUNDS !== 0) return undefined;
    const answer = await this.#get(followed, '/metrics');
    if (answer.kind !== 'answered') return undefined;
    const isAsleep = answer.status === 200 ? readSleepMetric(answer.text) : undefined;
    if (isAsleep === undefined) followed.sleepSource = 'none';
    return isAsleep;
  }

  #get({ pod }: Followed, path: string): Promise<ProbeAnswer> {
    return this.#probe.get(this.#originOf(pod), path, TIMEOUT_MS);
  }

  #originOf(pod: Pod): string {
    return `${this.#options.scheme}://${endpointOf(pod)}`;
  }

  #tell({ pod, leaving }: Followed, fact: PollFact | SleepFact, tookMs: number): void {
    if (!leaving.signal.aborted) this.#options.onFact(pod, fact, tookMs);
  }
}

function healthOf(answer: ProbeAnswer, tried: string): PollFact {
  switch (answer.kind) {
    case 'answered':
      if (answer.status >= 200 && answer.status < 300) return { kind: 'poll_ok' };
      return answer.status >= 500 && answer.status !== 501
        ? { kind: 'poll_failed', what: `${tried} answered ${answer.status}` }
        : { kind: 'poll_void' };
    case 'refused':
      return { kind: 'poll_refused', what: `${tried}: nothing listens there` };
    case 'timeout':
      return { kind: 'poll_unanswered', what: `${tried}: no answer within ${TIMEOUT_MS / 1000} s` };
    case 'broken':
      return { kind: 'poll_unanswered', what: `${tried}: ${answer.reason}` };
  }
}
