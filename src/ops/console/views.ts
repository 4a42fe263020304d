/** What is known of pods and event streams, as the page shows it. */
import { type EngineLoad, endpointOf, type Pod } from '../../domain.ts';
import type { PublisherReport } from '../../events/event-feed.ts';
import type { DecisionRecord } from '../../explain/record.ts';
import type { HealthReport } from '../../health/pods-health.ts';
import type { DecisionSummary, EngineView, PodEvents, PodView, PublisherView } from './messages.ts';

/** More rows than that nobody reads, and each costs some 300 bytes a second. */
export const MAX_ROWS = 250;

/** What is known of a pod beside its events. */
export interface KnownPod {
  readonly pod: Pod;
  readonly isReady: boolean;
  /** undefined: it has only just joined. */
  readonly health: HealthReport | undefined;
  readonly inFlight: number;
  readonly picks: number;
  readonly engine: EngineLoad;
}

/** Those that fail first, then those that may not be picked; by name among equals. */
export function podViews(
  pods: readonly KnownPod[],
  publishers: readonly PublisherReport[],
): Readonly<{ pods: PodView[]; podsLeftOut: number }> {
  const events = eventsByPod(publishers);
  const views = pods.map(
    ({ pod, isReady, health, inFlight, picks, engine }): PodView => ({
      ...{ pod: pod.name, endpoint: endpointOf(pod), model: pod.model, zone: pod.zone ?? null },
      ...{ isReady, inFlight, picks },
      ...{ health: health?.health ?? 'unknown', why: health?.why ?? '', forMs: health?.forMs ?? 0 },
      engine: engineView(engine),
      events: events.get(pod.name) ?? null,
    }),
  );
  const urgency = (view: PodView) => (view.health === 'failing' ? 2 : 0) + (view.isReady ? 0 : 1);
  const sorted = views.sort((a, b) => urgency(b) - urgency(a) || (a.pod < b.pod ? -1 : 1));
  return { pods: sorted.slice(0, MAX_ROWS), podsLeftOut: Math.max(0, views.length - MAX_ROWS) };
}

/** Those that do not tell all first. @param unfollowed pods whose streams there is no room for */
export function publisherViews(
  reports: readonly PublisherReport[],
  unfollowed: readonly string[],
): Readonly<{ publishers: PublisherView[]; publishersLeftOut: number }> {
  const views = [...reports.map(publisherView), ...unfollowed.map(unfollowedView)];
  const urgency = ({ state }: PublisherView) => (state === 'live' ? 0 : 1);
  const sorted = views.sort(
    (a, b) => urgency(b) - urgency(a) || (a.pod === b.pod ? a.rank - b.rank : a.pod < b.pod ? -1 : 1),
  );
  return { publishers: sorted.slice(0, MAX_ROWS), publishersLeftOut: Math.max(0, views.length - MAX_ROWS) };
}

function publisherView(report: PublisherReport): PublisherView {
  const { pod, rank, state, blocks, gaps, replays, restarts } = report;
  const { endpoint = null, why = null, sequence = null, lagSeconds = null } = report;
  return {
    ...{ pod, rank, endpoint, state, why, sequence, lagSeconds, blocks, gaps, replays, restarts },
    lastError: report.lastErrors.at(-1) ?? null,
  };
}

function unfollowedView(pod: string): PublisherView {
  return {
    ...{ pod, rank: 0, endpoint: null, state: 'not_followed', why: null, sequence: null, lagSeconds: null },
    ...{ blocks: 0, gaps: 0, replays: 0, restarts: 0, lastError: null },
  };
}

function engineView(engine: EngineLoad): EngineView | null {
  if (engine.kind === 'unknown') return null;
  return { running: engine.running, waiting: engine.waiting, kvUsage: engine.kvUsage ?? null };
}

function eventsByPod(reports: readonly PublisherReport[]): Map<string, PodEvents> {
  const events = new Map<string, PodEvents>();
  for (const { pod, blocks, lagSeconds = null } of reports) {
    const before = events.get(pod);
    const lags = [before?.lagSeconds, lagSeconds].filter(lag => typeof lag === 'number');
    events.set(pod, {
      blocks: (before?.blocks ?? 0) + blocks,
      lagSeconds: lags.length === 0 ? null : Math.max(...lags),
    });
  }
  return events;
}

/** Without what is only shown when it is opened. */
export function summaryOf(record: DecisionRecord): DecisionSummary {
  const { id, at, outcome, model, tookMicroseconds, matchedBlocks = 0, totalBlocks = 0 } = record;
  const { error = null, pod = null, reason = null, withoutTokens = null } = record;
  return {
    ...{ id, at, outcome, error, model, pod, reason, withoutTokens },
    ...{ matchedBlocks, totalBlocks, tookMicroseconds },
  };
}
