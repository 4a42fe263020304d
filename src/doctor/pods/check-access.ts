/** Whether the engine wants a key, and takes ours. */
import { type Finding, ok } from '../finding.ts';
import type { PodFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

const REFUSED: ReadonlySet<number> = new Set([401, 403]);

export function checkAccess({ models, hasKey }: PodFacts): Finding[] {
  if (models.kind !== 'answered') return [];
  const { status } = models;
  if (REFUSED.has(status)) {
    return [
      hasKey
        ? podProblem('key_refused', `GET /v1/models with the configured key: ${status}`)
        : podProblem('key_missing', `GET /v1/models without a key: ${status}`),
    ];
  }
  return [ok('api_key', hasKey ? 'the configured key is accepted' : 'none is needed')];
}
