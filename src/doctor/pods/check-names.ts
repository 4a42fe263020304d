/** Whether the names by which requests come to this pod are those that its engine serves. */
import { printable } from '../../printable.ts';
import { type Finding, ok, skip } from '../finding.ts';
import type { PodFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

const MAX_SHOWN = 20;

export function checkNames({ pod, profile: { models }, health }: PodFacts): Finding[] {
  if (health.kind !== 'answered') return [];
  if (models === undefined) return [skip('models', 'it does not say what it serves (GET /v1/models)')];
  const served = [...models.names, ...models.adapters];
  const isServed = (name: string) => served.includes(name);
  const unserved = pod.aliases.filter(alias => !isServed(alias));
  const unnamed = models.adapters.filter(adapter => adapter !== pod.model && !pod.aliases.includes(adapter));
  const findings = [
    ...(isServed(pod.model)
      ? []
      : [
          podProblem(
            'model_not_served',
            `${shown([pod.model])} is not among what it serves: ${shown(served)}`,
          ),
        ]),
    ...(unserved.length === 0
      ? []
      : [podProblem('alias_not_served', `it does not serve ${shown(unserved)}; it serves ${shown(served)}`)]),
    ...(unnamed.length === 0
      ? []
      : [podProblem('adapter_not_named', `it serves ${shown(unnamed)}, which its entry does not name`)]),
  ];
  return findings.length > 0 ? findings : [ok('models', `serves ${shown([pod.model, ...pod.aliases])}`)];
}

function shown(names: readonly string[]): string {
  const some = names.slice(0, MAX_SHOWN).map(name => JSON.stringify(printable(name, 80)));
  const more = names.length - some.length;
  return `${some.join(', ') || 'nothing'}${more > 0 ? ` and ${more} more` : ''}`;
}
