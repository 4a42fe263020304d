/** What is found out about the health of pods, as log lines and metrics. */
import type { Pod } from '../domain.ts';
import type { WatchedPort } from '../engine-api/port-watch.ts';
import type { FailureKind, HealthChange, HealthState, PollFact, SleepFact } from '../health/pods-health.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';

/** One poll without an answer may be chance. */
const POLLS = 2;

export function reportHealth(
  instruments: Pick<Instruments, 'podFailures' | 'healthPolls' | 'healthPollSeconds'>,
  log: Logger,
) {
  /** Polls in a row that a pod has not answered, by its name. */
  const unanswered = new Map<string, number>();
  return {
    changed({ pod, from, to, why }: HealthChange): void {
      const fields = { ...fieldsOf(pod), from, to, ...(why !== '' && { why }) };
      if (to === 'failing') log.warn(fields, 'pod fails: others get its requests, while there are others');
      else log.info(fields, 'pod health');
    },

    failed(pod: Pod, why: FailureKind): void {
      instruments.podFailures.add(1, { pod: pod.name, why });
    },

    /** Names a pod that does not answer polls and does not count as failing for it: none does, so they may not get there. */
    polled(pod: Pod, fact: PollFact | SleepFact, state: HealthState, tookMs: number): void {
      if (fact.kind === 'asleep' || fact.kind === 'awake') return;
      instruments.healthPolls.add(1, { outcome: fact.kind });
      instruments.healthPollSeconds.record(tookMs / 1_000);
      if (fact.kind !== 'poll_refused' && fact.kind !== 'poll_unanswered') {
        unanswered.delete(pod.name);
        return;
      }
      const polls = (unanswered.get(pod.name) ?? 0) + 1;
      unanswered.set(pod.name, polls);
      if (polls === POLLS && state !== 'failing') {
        log.warn({ ...fieldsOf(pod), why: fact.what }, 'pod does not answer');
      }
    },

    left(pod: Pod): void {
      unanswered.delete(pod.name);
    },
  };
}

/** Names a port of events or replays that nothing answers on. */
export function reportPort(log: Logger): (pod: Pod, port: WatchedPort) => void {
  return (pod, { what, rank, tried, answers, why }) => {
    const fields = { pod: pod.name, rank, port: what, tried };
    if (answers) log.info(fields, 'port answers again');
    else log.warn({ ...fields, why }, MEANS[what]);
  };
}

const MEANS: Readonly<Record<WatchedPort['what'], string>> = {
  events: 'event port does not answer: the pod counts as holding nothing',
  replay: 'replay port does not answer: after a lost message the pod is forgotten and relearned',
};

function fieldsOf({ name, ip, port }: Pod) {
  return { pod: name, ip, port };
}
