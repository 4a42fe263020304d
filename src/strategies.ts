/**
 * How a choice of strategies is written: a name, or several with weights, `a:2,b`. AIBrix's grammar
 * (`ParseMultiRouterConfig` in `algorithms/router.go`) and its names, those that are not taken over among them.
 */
import { STRATEGIES, type Strategy, type StrategyName, uses, type WeightedStrategy } from './domain.ts';

export type ParsedStrategy =
  | { readonly kind: 'parsed'; readonly strategy: Strategy }
  /** `why`: for whoever wrote it. */
  | { readonly kind: 'invalid'; readonly why: string };

export const MAX_WEIGHT = 1_000_000;
/** A client writes the list, and each member looks at every pod. */
export const MAX_MEMBERS = 16;
const MAX_LENGTH = 1024;
const MAX_QUOTED = 64;

/** They pick without comparing: there is no score to be weighed. */
const WITHOUT_SCORE: ReadonlySet<StrategyName> = new Set(['random', 'round-robin', 'power-of-two']);

/** They compare what engines say of themselves. */
export const ENGINE_STRATEGIES = [
  'least-kv-cache',
  'least-gpu-cache',
  'least-latency',
  'throughput',
  'least-busy-time',
  'least-utilization',
] as const satisfies readonly StrategyName[];

export function comparesEngines(strategy: Strategy): boolean {
  return ENGINE_STRATEGIES.some(name => uses(strategy, name));
}

const SLO = 'requests are not queued here by service level; use least-latency, or prefix-cache';

/** AIBrix's names of what is not taken over, and what comes closest. */
export const NOT_TAKEN_OVER: Readonly<Record<string, string>> = {
  'prefix-cache-preble':
    'use prefix-cache: it knows what the engines hold, which Preble’s tree of past prompts estimates',
  'vtc-basic': 'there is no fairness among users here; use least-request, and limit rates in the gateway',
  pd: 'prefill and decode are not routed apart here; use prefix-cache, and let the engines’ own proxy disaggregate',
  slo: SLO,
  'slo-pack-load': SLO,
  'slo-least-load': SLO,
  'slo-least-load-pulling': SLO,
};

/** Never throws. Spaces around names and weights do not matter; a member of weight 0 does not count, as if it were not there. */
export function parseStrategy(text: string): ParsedStrategy {
  // It is written into a header again, and Envoy answers 500 where it is none that may be there.
  if (!/^[\t\x20-\x7e]*$/.test(text)) return invalid('it has other characters than those of ASCII');
  if (text.length > MAX_LENGTH) return invalid(`it is longer than ${MAX_LENGTH} characters`);
  const parts = text.split(',');
  if (parts.length > MAX_MEMBERS) return invalid(`it has more than ${MAX_MEMBERS} strategies`);
  const members: WeightedStrategy[] = [];
  for (const part of parts) {
    const [given = '', weightText, ...more] = part.split(':').map(each => each.trim());
    if (more.length > 0) return invalid(`${quoted(part)} has more than one weight`);
    if (given === '') return invalid('a strategy has no name');
    const weight = weightText === undefined ? 1 : weightOf(weightText);
    if (weight === undefined)
      return invalid(`the weight of ${quoted(given)} must be a whole number from 0 to ${MAX_WEIGHT}`);
    if (weight === 0) continue;
    const name = STRATEGIES.find(each => each === given);
    if (name === undefined) return invalid(unknownName(given));
    members.push({ name, weight });
  }
  const [first, second] = members;
  if (first === undefined) return invalid('all weights are 0');
  if (second === undefined) return { kind: 'parsed', strategy: { kind: 'single', name: first.name, text } };
  const unscored = members.find(({ name }) => WITHOUT_SCORE.has(name));
  if (unscored !== undefined) return invalid(`${unscored.name} gives no scores, so it can only stand alone`);
  return { kind: 'parsed', strategy: { kind: 'weighted', members, text } };
}

/** Whether requests with this text for a strategy, or without one, use the strategy `name`. */
export function asksFor(name: StrategyName, text: string | undefined, unset: Strategy): boolean {
  const given = text?.trim();
  if (!given) return uses(unset, name);
  if (!given.includes(name)) return false;
  const parsed = parseStrategy(given);
  return parsed.kind === 'parsed' && uses(parsed.strategy, name);
}

/** Go's `strconv.Atoi` within the bounds; undefined: it is no such number. */
function weightOf(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const weight = Number(text);
  return weight >= 0 && weight <= MAX_WEIGHT ? Math.abs(weight) : undefined;
}

function unknownName(given: string): string {
  const instead = Object.hasOwn(NOT_TAKEN_OVER, given) ? NOT_TAKEN_OVER[given] : undefined;
  return instead === undefined
    ? `${quoted(given)} is none of ${STRATEGIES.join(', ')}`
    : `${given} is not taken over from AIBrix: ${instead}`;
}

function quoted(text: string): string {
  return text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED)}…`;
}

function invalid(why: string): ParsedStrategy {
  return { kind: 'invalid', why };
}
