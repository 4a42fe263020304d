import type { Pod } from '../domain.ts';
import type { PodListener } from '../pods/registry.ts';
import type { Logger } from './log.ts';

/** Of one change; a rollout of a fleet is one line rather than a thousand. */
const MAX_LINES = 20;

/** Says who has joined and left: a line each, or, of many at once, their numbers, and a line each at level debug. */
export function createPodLog(log: Logger): PodListener {
  let joined: Pod[] = [];
  let left: Pod[] = [];
  return {
    joined: pod => void joined.push(pod),
    left: pod => void left.push(pod),
    changed() {
      const isMany = joined.length + left.length > MAX_LINES;
      if (isMany) log.info({ joined: joined.length, left: left.length }, 'pods joined and left');
      const level = isMany ? 'debug' : 'info';
      for (const pod of left) log[level](fieldsOf(pod), 'pod left');
      for (const pod of joined) log[level](fieldsOf(pod), 'pod joined');
      joined = [];
      left = [];
    },
  };
}

function fieldsOf(pod: Pod) {
  return { pod: pod.name, ip: pod.ip, port: pod.port, model: pod.model, kvEvents: pod.kvEvents.kind };
}
