import { ENGINE_SCORERS, type EngineScoredName, isHeard } from './scores.ts';
import { anyOf, BY_LOAD, leastOf, leastRequest, type Policy, picked } from './snapshot.ts';

/**
 * The pod whose engine says the least. Among equals the one with the fewest requests in flight: what engines say is as old as the
 * last scrape, and whoever is best would get all requests until the next. Where too few engines say it, by load.
 */
export function leastEngineLoad(name: EngineScoredName): Policy {
  const { score } = ENGINE_SCORERS[name];
  return snapshot => {
    const scores = score(snapshot);
    if (!isHeard(scores)) return picked(leastRequest(snapshot), 'no_engine_metrics', BY_LOAD, [name]);
    const known = scores.flatMap((value, i) => (Number.isNaN(value) ? [] : [i]));
    const best = leastOf(scores, known);
    return picked(anyOf(leastOf(snapshot.running, best), snapshot.random), name, { kind: 'engines', scores });
  };
}
