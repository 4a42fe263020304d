import type { EngineLoad, Pod } from '../domain.ts';
import { createChoice } from './choice/choose.ts';
import type { RouteParts } from './route.ts';
import { type Decide, withoutPod } from './route-request.ts';

export interface DryRunParts extends RouteParts {
  /** What a pod's engine last said of its work, without asking it to go on saying it. */
  readonly engineLoad: (pod: Pod) => EngineLoad;
}

/**
 * The choice that a request would meet, unless it was drawn to compare with, of which nothing follows. Its tokens are asked for as for
 * any other.
 */
export function createDryRun(parts: DryRunParts): Decide {
  const { history, responses, turns } = parts;
  return createChoice(
    {
      ...parts,
      history: { find: (prompt, pods) => history.peek(prompt, pods) },
      responses: { among: (pods, id) => responses.peek(pods, id) },
      turnOf: model => turns.of(model),
      drawsControl: () => false,
      shadowPolicy: undefined,
    },
    ({ decision, course }) => withoutPod(decision, course),
  );
}
