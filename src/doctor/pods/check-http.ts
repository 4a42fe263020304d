/** Whether the engine is there, well, and has our time. */
import { type Finding, ok } from '../finding.ts';
import type { PodFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

/** Ordinary machines are within milliseconds; `date` headers have whole seconds. */
const MAX_CLOCK_MS = 5_000;

export function checkHttp({ health }: PodFacts): Finding[] {
  if (health.kind !== 'answered') {
    const problem = { refused: 'http_refused', silent: 'http_silent', broken: 'http_broken' } as const;
    return [podProblem(problem[health.kind], `GET /health: ${health.reason}`)];
  }
  const { status, tookMs, clockMs } = health;
  return [ok('http', `answers within ${Math.round(tookMs)} ms`), healthOf(status), ...clockOf(clockMs)];
}

function healthOf(status: number): Finding {
  if (status === 200) return ok('health', 'GET /health: 200');
  return podProblem(status >= 500 ? 'unhealthy' : 'no_health', `GET /health: ${status}`);
}

function clockOf(clockMs: number | undefined): Finding[] {
  if (clockMs === undefined) return [];
  const seconds = Math.abs(clockMs / 1_000).toFixed(0);
  if (Math.abs(clockMs) <= MAX_CLOCK_MS) return [ok('clock', 'within a few seconds of ours')];
  return [
    podProblem('clock_differs', `its clock is ${seconds} s ${clockMs > 0 ? 'ahead of' : 'behind'} ours`),
  ];
}
