/** What goes on, told to those who watch. While nobody does there is no work but a sample every few seconds. */
import type { ServerResponse } from 'node:http';
import type { DecisionLog } from '../../explain/decision-log.ts';
import { type Clock, repeat, type Sleep } from '../../time.ts';
import type { DecisionSummary, Decisions, Now, Welcome } from './messages.ts';
import type { Samples } from './samples.ts';
import type { StateHistory } from './state-history.ts';
import { eventText, Viewers } from './viewers.ts';
import { summaryOf } from './views.ts';

export const SAMPLE_EVERY_SECONDS = 5;
const TELL_EVERY_MS = 1_000;
const MAX_VIEWERS = 8;
/** What a page is told in its first ten seconds by a large fleet, and not much more. */
const MAX_UNREAD_BYTES = 2 << 20;
/** Of those between two tellings. */
const DECISIONS_SHOWN = 20;
/** Of those before the page was opened. */
const DECISIONS_AT_FIRST = 50;
/** Of event streams, at a time: some 400 KB. */
const CHANGES_SHOWN = 4_000;

/** What the last decisions are read from. Nothing is done where they are made. */
export type RecentDecisions = Pick<DecisionLog, 'recorded' | 'recent'>;

export interface LiveParts {
  readonly version: string;
  readonly usesKvEvents: boolean;
  readonly now: () => Now;
  readonly decisions: RecentDecisions;
  readonly changes: StateHistory;
  readonly samples: Samples;
  readonly sleep: Sleep;
  /** Wall time. */
  readonly clock: Clock;
  readonly onUnexpected: (error: unknown) => void;
}

const ANY = { id: undefined, model: undefined, pod: undefined, reason: undefined };

export class Live {
  readonly #parts: LiveParts;
  readonly #startedAt: number;
  readonly #ending = new AbortController();
  readonly #viewers: Viewers;
  #watched = new AbortController();
  /** Of what all viewers were told. */
  #decisionsTold = 0;
  #changesTold = 0;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock();
    this.#viewers = new Viewers({
      maxViewers: MAX_VIEWERS,
      maxUnreadBytes: MAX_UNREAD_BYTES,
      onFirst: () => this.#begin(),
      onNone: () => this.#watched.abort(),
    });
    this.#repeat(1_000 * SAMPLE_EVERY_SECONDS, this.#ending.signal, () => this.#sample());
  }

  /** Tells this connection what goes on, until it ends. */
  watch(response: ServerResponse): void {
    this.#viewers.admit(response, () => this.#welcome());
  }

  stop(): void {
    this.#ending.abort();
    this.#watched.abort();
    this.#viewers.end();
  }

  #begin(): void {
    const { decisions, changes } = this.#parts;
    this.#decisionsTold = decisions.recorded;
    this.#changesTold = changes.last;
    this.#watched = new AbortController();
    this.#repeat(TELL_EVERY_MS, this.#watched.signal, () => this.#tell());
  }

  #welcome(): string {
    const { version, usesKvEvents, samples, changes, now } = this.#parts;
    const welcome: Welcome = {
      ...{ version, usesKvEvents, startedAt: this.#startedAt },
      history: samples.history(),
      changes: changes.after(0).slice(-CHANGES_SHOWN),
    };
    const before: Decisions = { decisions: this.#newest(DECISIONS_AT_FIRST), leftOut: 0 };
    return eventText('welcome', welcome) + eventText('decisions', before) + eventText('now', now());
  }

  #tell(): void {
    const { decisions, changes, now } = this.#parts;
    const decided = decisions.recorded - this.#decisionsTold;
    const changed = changes.after(this.#changesTold).slice(-CHANGES_SHOWN);
    this.#decisionsTold += decided;
    this.#changesTold = changes.last;
    let text = changed.map(change => eventText('change', change)).join('') + eventText('now', now());
    if (decided > 0) {
      const shown = this.#newest(Math.min(decided, DECISIONS_SHOWN));
      text += eventText('decisions', {
        decisions: shown,
        leftOut: decided - shown.length,
      } satisfies Decisions);
    }
    this.#viewers.send(text);
  }

  /** Oldest first. */
  #newest(count: number): DecisionSummary[] {
    return Array.from(this.#parts.decisions.recent(ANY, count), summaryOf).reverse();
  }

  #sample(): void {
    const sample = this.#parts.samples.take();
    if (this.#viewers.count > 0) this.#viewers.send(eventText('sample', sample));
  }

  #repeat(everyMs: number, signal: AbortSignal, work: () => void): void {
    const { sleep, onUnexpected } = this.#parts;
    const task = () => {
      try {
        work();
      } catch (error) {
        onUnexpected(error);
      }
    };
    void repeat({ everyMs, sleep, signal, task });
  }
}
