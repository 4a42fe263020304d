import type { Pod } from '../../domain.ts';
import type { PodListener } from '../../pods/registry.ts';
import type { Logger } from './log.ts';

/** Of one change; a rollout of a fleet is one line rather than a thousand. */
const MAX_LINES = 20;

const SAID = {
  left: 'pod left',
  unready: 'pod is not ready: it gets no requests, and what it holds is remembered',
  ready: 'pod is ready again',
  joined: 'pod joined',
} as const;

/** Says who has joined and left: a line each, or, of many at once, their numbers, and a line each at level debug. */
export function createPodLog(log: Logger): PodListener {
  let changes: { readonly what: keyof typeof SAID; readonly pod: Pod }[] = [];
  const note = (what: keyof typeof SAID) => (pod: Pod) => void changes.push({ what, pod });
  return {
    left: note('left'),
    becameUnready: note('unready'),
    becameReady: note('ready'),
    joined: note('joined'),
    changed() {
      const isMany = changes.length > MAX_LINES;
      if (isMany) {
        const count = (wanted: string) => changes.filter(({ what }) => what === wanted).length;
        const counts = { joined: count('joined'), left: count('left') };
        const readiness = { unready: count('unready'), readyAgain: count('ready') };
        const isAny = readiness.unready + readiness.readyAgain > 0;
        log.info({ ...counts, ...(isAny && readiness) }, 'pods joined and left');
      }
      for (const { what, pod } of changes) {
        if (isMany) log.debug(() => fieldsOf(pod), SAID[what]);
        else log.info(fieldsOf(pod), SAID[what]);
      }
      changes = [];
    },
  };
}

function fieldsOf(pod: Pod) {
  return { pod: pod.name, ip: pod.ip, port: pod.port, model: pod.model, kvEvents: pod.kvEvents.kind };
}
