/** Each step by which a pod was found, in a sentence with its numbers. */
import type { ClientError, Pod, Reason, RoutedDecision, WithoutTokens } from '../domain.ts';
import { type Considered, type CostCompared, candidateAt, type PrefixComparison } from '../routing/route.ts';
import type { Outcome } from './kept-decision.ts';
import { percentOf, rounded } from './score.ts';

/** What `prefix-cache` is configured with. */
export interface PolicyLimits {
  readonly imbalanceRequests: number;
  readonly standardDeviationFactor: number;
}

export interface PolicyFacts {
  readonly considered: Considered;
  /** Of the prompt; undefined: it has none. */
  readonly tokens: number | undefined;
}

export function policySteps(
  decision: RoutedDecision,
  { considered, tokens }: PolicyFacts,
  limits: PolicyLimits,
): string[] {
  return [
    allowedStep(considered),
    ...healthSteps(decision, considered),
    ...promptSteps(decision, tokens, considered),
    ...loadSteps(considered),
    ...comparisonSteps(decision, considered, limits),
    retryStep(decision),
  ];
}

/** Of a request that no pod was picked for. */
export function rejectionSteps(outcome: Outcome): string[] {
  switch (outcome.kind) {
    case 'rejected':
      return [outcome.why === undefined ? REJECTED[outcome.error] : sentence(outcome.why)];
    case 'undecided':
      return [outcome.why ?? 'No pod is picked: Envoy balances the request itself.'];
    case 'passed':
      return [
        'The request names no strategy, and none is configured: Envoy’s routes decide, by the model (WARMROUTE_UNSET_STRATEGY=pass).',
      ];
    case 'routed':
      return [];
  }
}

const REJECTED: Readonly<Record<ClientError['kind'], string>> = {
  malformed_body: 'The body cannot be read.',
  unknown_model: 'No pod serves this model, by its name or an alias (GET /v1/models).',
  bad_strategy: 'The routing-strategy header is no strategy, and no list of them (docs/strategies.md).',
  no_ready_pod: 'Pods of this model are known, and none is ready.',
  no_allowed_pod:
    'The external-filter header, or the gateway’s subset, allows none of the pods that serve the model.',
  bad_filter: 'The external-filter header is no label selector.',
  path_refused: 'This path is not for clients (WARMROUTE_ALLOWED_PATHS).',
  body_too_large: 'The body is larger than WARMROUTE_MAX_BODY_BYTES.',
  shed: 'The request has a negative priority, and every pod that it could go to has enough to do (WARMROUTE_SHED_QUEUE).',
};

function allowedStep({ serving, allowed }: Considered): string {
  const all = `${counted(serving, 'pod serves', 'pods serve')} the model`;
  if (allowed === serving) return `${all}.`;
  return `${all}; external-filter or the gateway’s subset allows ${allowed} of them.`;
}

function healthSteps({ pod, reason }: RoutedDecision, { kind, leftOut, pods }: Considered): string[] {
  if (kind === 'trial')
    return [
      `${pod.name} fails, and its time for a trial has come: this request finds out whether it still does.`,
    ];
  const steps =
    kind === 'all_failing'
      ? [`None is well: chosen from ${pods === 1 ? 'the one' : `the ${pods}`} that may be.`]
      : [];
  if (leftOut.count === 0) return steps;
  const some = leftOut.some.map(({ pod, health }) => `${pod} (${health})`).join(', ');
  const more = leftOut.count - leftOut.some.length;
  const who = more > 0 ? `${some} and ${more} more` : some;
  return reason === 'all_failing'
    ? [...steps, `Not among them: ${who}.`]
    : [...steps, `Left out because of their health: ${who}.`];
}

const WITHOUT_TOKENS: Readonly<Record<WithoutTokens, string>> = {
  private_key:
    'The prompt has SGLang’s extra_key, which events do not tell: it is compared by where its earlier turns went.',
  no_token_form:
    'The engine serves nothing that could tokenize this prompt: it is compared by where its earlier turns went.',
  prompt_refused: 'The engine refuses to tokenize the prompt, and will tell the client why.',
  tokenizer_failed: 'Tokenizing failed: the prompt is compared by where its earlier turns went.',
  deadline: 'Tokenizing took too long: the prompt is compared by where its earlier turns went.',
};

/** Reasons for which the prompt was not looked at. */
const NOT_LOOKED_AT: Partial<Readonly<Record<Reason, string>>> = {
  only_pod: 'There is no choice: the prompt is not tokenized.',
  no_prompt: 'The request has no prompt that an engine could have cached.',
  late_body: 'Only the beginning of the body was there in time (WARMROUTE_BODY_TIMEOUT_MS).',
  buffers_full: 'There was no room for more than the beginning of the body (WARMROUTE_MAX_BUFFERED_BYTES).',
  unknown_encoding: 'The content-encoding of the body is not known.',
  too_intricate: 'The body has too many values to be parsed while others wait.',
  any_pod: 'The request has no prompt, or names no model that is served: any pod will do.',
  deadline: 'Reading the body took too long.',
  cancelled:
    'Nobody waited for the end of tokenizing: the client has gone, or Envoy’s message_timeout was over.',
  index_failed: 'The index failed.',
};

function promptSteps(
  { reason, withoutTokens, totalBlocks }: RoutedDecision,
  tokens: number | undefined,
  { blockSizeTokens }: Considered,
): string[] {
  const steps: string[] = [];
  if (tokens !== undefined && blockSizeTokens !== undefined) {
    steps.push(
      `The prompt has ${counted(tokens, 'token', 'tokens')}: ${counted(totalBlocks, 'full block', 'full blocks')} of ${blockSizeTokens}.`,
    );
  }
  const why = withoutTokens === undefined ? NOT_LOOKED_AT[reason] : WITHOUT_TOKENS[withoutTokens];
  if (why !== undefined) steps.push(why);
  return steps;
}

/** Where there are too few others, a retry goes to one of the same again. */
function retryStep({ pod, retries }: RoutedDecision): string {
  const others = [...new Set(retries.map(({ name }) => name))].filter(name => name !== pod.name);
  if (others.length === 0) return `If it does not answer: ${pod.name} again, as there is no other.`;
  return `If it does not answer: ${others.join(', then ')}.`;
}

function loadSteps({ pods, least, most, mean }: Considered): string[] {
  if (pods === 1) return [];
  return [`Requests in flight on ${pods} pods: least ${least}, most ${most}, mean ${rounded(mean, 2)}.`];
}

function comparisonSteps(decision: RoutedDecision, considered: Considered, limits: PolicyLimits): string[] {
  const { pod, reason, strategy } = decision;
  const { compared, candidates, winner, pods } = considered;
  const steps = considered.unscored.map(
    name => `${name} is not heard: fewer than half of the engines have said lately what it compares.`,
  );
  switch (reason) {
    case 'response_owner':
      return [...steps, `${pod.name} made the response that the request names, and no other has it.`];
    case 'session_id':
      return [...steps, `x-session-id names ${pod.name}.`];
    case 'session_key':
      return [
        ...steps,
        `x-aibrix-session-key leads to ${pod.name}, by its hash among the candidates’ addresses.`,
      ];
    case 'control':
      steps.push(
        'Drawn for the control share (WARMROUTE_CONTROL_PERCENT): balanced as if nothing was known of prefixes.',
      );
      break;
    case 'no_session':
      steps.push('The request names no session of one of the candidates.');
  }
  if (pods === 1) return steps;
  const { score } = candidateAt(winner, candidates);
  switch (compared.kind) {
    case 'prefix':
      return [...steps, ...prefixSteps(decision, { considered, compared }, limits)];
    case 'cost':
      return [...steps, ...costSteps(decision, considered, compared)];
    case 'load':
      return [...steps, `${pod.name} is one of the least loaded.`];
    case 'engines':
      return [
        ...steps,
        `${strategy.text} compares what engines say of themselves: ${pod.name} has the least, ${rounded(score!)}.`,
      ];
    case 'weighted':
      return [
        ...steps,
        `Each strategy of ${strategy.text} scores every pod from 0 to 1; the mean of these by weight is the highest at ${pod.name}, ${rounded(score!)}.`,
      ];
    case 'turn':
      return [
        ...steps,
        `Pods take turns: decision ${compared.turn} of this model goes to place ${compared.turn % pods} of ${pods}, counted from 0.`,
      ];
    case 'two_drawn': {
      const drawn = compared.drawn.map(each => `${each.pod} (${each.running})`).join(' and ');
      return [...steps, `Drawn at random: ${drawn}; the less loaded is taken.`];
    }
    case 'other':
      return [...steps, `${pod.name} was drawn at random.`];
  }
}

function costSteps(
  { pod }: RoutedDecision,
  { candidates, winner, matchesAre }: Considered,
  { price, promptTokens, zonePenaltyMs, winnersZone }: CostCompared,
): string[] {
  const won = candidateAt(winner, candidates);
  const holds =
    matchesAre === 'blocks'
      ? `holds ${percentOf(won)} % of the prompt`
      : `got ${percentOf(won)} % of the prompt before`;
  return [
    `A pod’s cost is the time until the first token there: the tokens that are queued, and those of the prompt’s ${promptTokens} that it does not hold, by how fast it computes prompts.`,
    price > 0
      ? `Computing a token counts ${rounded(1 + price, 2)} times, since others wait for it.`
      : 'Computing a token costs others nothing now.',
    ...(zonePenaltyMs > 0
      ? [
          `A pod in another zone than the router costs ${rounded(zonePenaltyMs)} ms more: ${pod.name} ${placeOf(pod, winnersZone)}.`,
        ]
      : []),
    `The least, ${rounded(won.score!, 1)} ms, is expected of ${pod.name}: it ${holds}, and has ${Math.round(won.queued!)} tokens queued.`,
  ];
}

function placeOf({ zone }: Pod, where: CostCompared['winnersZone']): string {
  if (zone === undefined) return 'has no known zone, and does not';
  return where === 'free' ? `is in the router’s own, ${zone}` : `is in ${zone}`;
}

function prefixSteps(
  { pod, reason }: RoutedDecision,
  { considered, compared }: { readonly considered: Considered; readonly compared: PrefixComparison },
  { imbalanceRequests, standardDeviationFactor }: PolicyLimits,
): string[] {
  const { least, most, mean, matchesAre, candidates, winner } = considered;
  const { imbalanced, deviation, bound, holders, tooBusy, equals } = compared;
  const difference = most - least;
  const steps = [
    imbalanced
      ? `The load is uneven: most − least = ${difference}, above ${imbalanceRequests}: only pods with ${least} in flight are looked at.`
      : `The load is even enough: most − least = ${difference}, not above ${imbalanceRequests}: all are looked at.`,
    `A pod is too busy above mean + ${standardDeviationFactor} × deviation = ${rounded(mean, 2)} + ${standardDeviationFactor} × ${rounded(deviation, 2)} = ${rounded(bound, 2)} in flight.`,
  ];
  const held =
    matchesAre === 'blocks' ? 'hold the beginning of the prompt' : 'got an earlier turn of the prompt';
  const holds =
    matchesAre === 'blocks' ? 'holds the beginning of the prompt' : 'got an earlier turn of the prompt';
  steps.push(
    holders === 0
      ? `Of these, none ${holds}.`
      : `Of these, ${counted(holders, holds, held)}; too busy: ${tooBusy}.`,
  );
  if (reason !== 'prefix_match' && reason !== 'history_match')
    return [...steps, `${pod.name} is one of the least loaded.`];
  const won = candidateAt(winner, candidates);
  const percent = percentOf(won);
  const drawn = equals > 1 ? `; it was drawn from ${equals} equals` : '';
  return [
    ...steps,
    `The longest match${tooBusy > 0 ? ' of the others' : ''}: ${percent} %, by ${pod.name} with ${won.running} in flight${drawn}.`,
  ];
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
