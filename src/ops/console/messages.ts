/** What the console's page is told: server-sent events of `/console/events`, each with JSON of one of these types. */
import type { Reason, WithoutTokens } from '../../domain.ts';

/** Event `welcome`: the first one of each connection. */
export interface Welcome {
  readonly version: string;
  /** Milliseconds since the epoch, of this process. */
  readonly startedAt: number;
  /** Whether the index is fed by the engines' events: without them there are no publishers. */
  readonly usesKvEvents: boolean;
  readonly history: SampleHistory;
  readonly changes: readonly StateChange[];
}

/** Event `full`: in place of all others, when as many watch already as may. The connection ends. */
export interface Full {
  readonly maxViewers: number;
}

/** Event `now`: once a second. */
export interface Now {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly ready: boolean;
  /** Why it is (not) ready. */
  readonly why: string;
  readonly indexBlocks: number;
  /** Those that need a look come first. */
  readonly pods: readonly PodView[];
  readonly podsLeftOut: number;
  readonly publishers: readonly PublisherView[];
  readonly publishersLeftOut: number;
}

export interface PodView {
  readonly pod: string;
  readonly endpoint: string;
  readonly model: string;
  /** null: not known. */
  readonly zone: string | null;
  /** Whether its source says that it may be picked. */
  readonly isReady: boolean;
  readonly health: 'healthy' | 'failing' | 'sleeping' | 'unknown';
  readonly why: string;
  /** Milliseconds, of this health. */
  readonly forMs: number;
  /** Requests in flight, by this router's own count. */
  readonly inFlight: number;
  /** Requests that were sent there since the router started. */
  readonly picks: number;
  /** What its engine says of itself; null: not asked, or no answer. */
  readonly engine: EngineView | null;
  /** Its event streams taken together; null: none is followed. */
  readonly events: PodEvents | null;
}

export interface EngineView {
  readonly running: number;
  readonly waiting: number;
  /** From 0 to 1; null: it does not say. */
  readonly kvUsage: number | null;
}

export interface PodEvents {
  /** Of all ranks. */
  readonly blocks: number;
  /** The largest of its ranks; null: nothing was heard that has a time. */
  readonly lagSeconds: number | null;
}

export type PublisherStateName = 'connecting' | 'live' | 'replaying' | 'draining' | 'cold' | 'not_followed';

export interface PublisherView {
  readonly pod: string;
  readonly rank: number;
  /** null: it dials the router. */
  readonly endpoint: string | null;
  readonly state: PublisherStateName;
  readonly why: string | null;
  readonly sequence: number | null;
  readonly lagSeconds: number | null;
  readonly blocks: number;
  readonly gaps: number;
  readonly replays: number;
  readonly restarts: number;
  readonly lastError: { readonly at: number; readonly what: string } | null;
}

/** Events `change`, and in `welcome`: an event stream has another state. */
export interface StateChange {
  readonly pod: string;
  readonly rank: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly state: PublisherStateName;
  readonly why: string | null;
}

/** Event `decisions`: the newest of what was decided since the last one, oldest first. */
export interface Decisions {
  readonly decisions: readonly DecisionSummary[];
  /** Decided since the page was opened, and not among them. */
  readonly leftOut: number;
}

/** One row; the whole is at `/debug/decisions?id=<id>`. */
export interface DecisionSummary {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly outcome: 'routed' | 'rejected' | 'undecided' | 'passed';
  readonly error: string | null;
  readonly model: string | null;
  readonly pod: string | null;
  readonly reason: Reason | null;
  readonly withoutTokens: WithoutTokens | null;
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
  readonly tookMicroseconds: number;
}

/** What was measured in each of the last intervals, oldest first: one array per quantity, all as long as `at`. null: nothing to measure. */
export interface SampleHistory {
  readonly everySeconds: number;
  /** Seconds since the epoch, of the end of each interval. */
  readonly at: readonly number[];
  readonly series: Readonly<Record<Quantity, readonly (number | null)[]>>;
  /** Requests in flight at each of these times, by pod: of those that had most. null: not known then. */
  readonly load: readonly { readonly pod: string; readonly running: readonly (number | null)[] }[];
}

/** Event `sample`: the newest interval alone. */
export interface Sample {
  readonly at: number;
  readonly values: Readonly<Record<Quantity, number | null>>;
  readonly load: readonly (readonly [pod: string, running: number])[];
}

export const QUANTITIES = [
  'decisionsPerSecond',
  /** Full blocks of the prompts that were looked up, and the share of them that the picked pods held, from 0 to 1. */
  'promptBlocks',
  'hitRate',
  /** Seconds, from the request's body to the decision. */
  'decisionP50',
  'decisionP99',
  /** Seconds, from the pick to the first byte of what the engine has to say, of sampled answers. */
  'firstByteP50',
  'firstByteP99',
] as const;
export type Quantity = (typeof QUANTITIES)[number];
