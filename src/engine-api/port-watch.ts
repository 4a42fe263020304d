/**
 * Looks whether pods listen where their events and replays are to come from, and says so when one does not: without events a pod
 * looks as if it held nothing, and without replays it forgets after each lost message.
 */
import { hostOf, type KvPublisher, type Pod } from '../domain.ts';
import { realSleep, type Sleep } from '../time.ts';
import { askForGreeting } from './zmq-greeting.ts';

/** One port of a pod. */
export interface WatchedPort {
  readonly what: 'events' | 'replay';
  readonly rank: number;
  /** `tcp://10.0.0.1:5557` */
  readonly tried: string;
  /** undefined: not known yet. */
  readonly answers: boolean | undefined;
  /** What came of the last try; '' if it answers. */
  readonly why: string;
}

export interface PortWatchOptions {
  /** A port does not answer, as was tried twice; or answers after it did not. */
  readonly onChange: (pod: Pod, port: WatchedPort) => void;
  readonly sleep?: Sleep;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Two tries and the pauses fit into 10 s. */
const TIMEOUT_MS = 2_000;
const FIRST_WITHIN_MS = 1_000;
const AGAIN_MS = 2_000;
const WHILE_SILENT_MS = 10_000;
/** A port that answers is looked at seldom: a lost connection is heard of otherwise, and `recheck` called. */
const WHILE_ANSWERING_MS = 60_000;
const TRIES = 2;

interface Watched {
  readonly pod: Pod;
  readonly host: string;
  readonly port: number;
  state: WatchedPort;
  pause: AbortController;
}

interface Followed {
  readonly leaving: AbortController;
  readonly ports: readonly Watched[];
  readonly watching: Promise<unknown>;
}

export class PortWatch {
  readonly #options: Required<PortWatchOptions>;
  readonly #followed = new Map<string, Followed>();

  constructor(options: PortWatchOptions) {
    this.#options = { sleep: realSleep, random: Math.random, ...options };
  }

  /** Watches these ports of a pod, in place of those that were watched. */
  follow(pod: Pod, publishers: readonly KvPublisher[]): void {
    this.leave(pod.name);
    const leaving = new AbortController();
    const ports = publishers.flatMap(({ rank, port, replayPort }) => [
      ...(port === undefined ? [] : [watched(pod, port, 'events', rank)]),
      ...(replayPort === undefined ? [] : [watched(pod, replayPort, 'replay', rank)]),
    ]);
    const watching = Promise.all(ports.map(port => this.#keepLooking(port, leaving.signal)));
    this.#followed.set(pod.name, { leaving, ports, watching });
  }

  /** A connection to this pod was lost, or a replay had no answer. */
  recheck(pod: string): void {
    for (const { pause } of this.#followed.get(pod)?.ports ?? []) pause.abort();
  }

  of(pod: string): readonly WatchedPort[] {
    return this.#followed.get(pod)?.ports.map(({ state }) => state) ?? [];
  }

  /** Nothing is reported of this pod after this is called. */
  leave(pod: string): void {
    this.#followed.get(pod)?.leaving.abort();
    this.#followed.delete(pod);
  }

  async stop(): Promise<void> {
    const all = [...this.#followed.values()];
    for (const { ports } of all) for (const { pod } of ports) this.leave(pod.name);
    await Promise.all(all.map(({ watching }) => watching));
  }

  async #keepLooking(port: Watched, leaving: AbortSignal): Promise<void> {
    let silent = 0;
    let waitMs = FIRST_WITHIN_MS * this.#options.random();
    while (await this.#wait(waitMs, port, leaving)) {
      const answer = await askForGreeting(port.host, port.port, TIMEOUT_MS);
      if (leaving.aborted) return;
      silent = answer.kind === 'greeted' ? 0 : silent + 1;
      if (silent === 0) this.#settle(port, true, '');
      else if (silent >= TRIES && answer.kind === 'silent') this.#settle(port, false, answer.reason);
      waitMs = silent === 0 ? WHILE_ANSWERING_MS : silent < TRIES ? AGAIN_MS : WHILE_SILENT_MS;
    }
  }

  #settle(port: Watched, answers: boolean, why: string): void {
    const before = port.state.answers;
    port.state = { ...port.state, answers, why };
    if (before !== answers && (before !== undefined || !answers))
      this.#options.onChange(port.pod, port.state);
  }

  /** Resolves to whether to go on. */
  async #wait(ms: number, port: Watched, leaving: AbortSignal): Promise<boolean> {
    port.pause = new AbortController();
    try {
      await this.#options.sleep(ms, AbortSignal.any([leaving, port.pause.signal]));
    } catch {
      // Left, or to be looked at now.
    }
    return !leaving.aborted;
  }
}

function watched(pod: Pod, port: number, what: WatchedPort['what'], rank: number): Watched {
  const tried = `tcp://${hostOf(pod.ip)}:${port}`;
  const state = { what, rank, tried, answers: undefined, why: '' };
  return { pod, host: pod.ip, port, state, pause: new AbortController() };
}
