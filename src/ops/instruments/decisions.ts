/** What was decided, how long it took, and whether it came true. */
import type { Decision } from '../../domain.ts';
import type { Confirmation } from '../../routing/confirmations.ts';
import type { ZoneRelation } from '../../routing/strategies/zone-penalties.ts';
import { allOf, counter, gauge, histogram } from './instrument.ts';
import { ENDPOINT, MODEL, POD, REASON, STAGE_SECONDS, STRATEGY, STRATEGY_NAME } from './labels.ts';

/** `hash` is a part of `match`. */
export type Stage = 'parse' | 'tokenize' | 'match' | 'hash' | 'decide' | 'reply';

export const DECISION_METRICS = {
  decisions: counter('warmroute_decisions_total', {
    unit: 'requests',
    labels: {
      model: MODEL,
      strategy: STRATEGY,
      reason: REASON,
    },
    help: 'Requests routed, by strategy and reason; docs/architecture.md, “Why a pod was chosen”, has the meanings',
    bad: '`tokenizer_failed`, `deadline`, `index_failed`, `late_body`, `buffers_full`: routed without knowing who holds the prompt. `all_failing`: no pod is well. Much `prefix_match_skipped`: the pods that hold prefixes are overloaded. `control`: the share that `WARMROUTE_CONTROL_PERCENT` says, and no more.',
  }),
  picks: counter('warmroute_picks_total', {
    unit: 'requests',
    labels: { pod: POD, model: MODEL },
    help: 'Requests by the pod that was picked',
    bad: 'One pod with most of them: it holds what everybody asks for, or others fail.',
  }),
  zonePicks: counter('warmroute_zone_picks_total', {
    unit: 'requests',
    labels: { model: MODEL, zone: allOf<ZoneRelation>()('own', 'other', 'unknown') },
    help: 'Requests by the zone of the pod that was picked: the router’s own (`WARMROUTE_ZONE`), another one, or not known, of the router or of the pod',
    bad: '`other` most of the time: the own zone has too few pods for its requests, or `WARMROUTE_ZONE_PENALTY_MS` is less than what the caches elsewhere are worth. `unknown`: a zone is missing (docs/kubernetes.md).',
  }),
  ended: counter('warmroute_ended_requests_total', {
    unit: 'requests',
    labels: { model: MODEL, status: { names: 'an HTTP status, or `unseen`' } },
    help: 'Routed requests that are over, by HTTP status; `unseen`: Envoy did not show the response to the router (docs/architecture.md, Health)',
    bad: '5xx: the engines fail; `warmroute_pod_failures_total` says which.',
  }),
  unscored: counter('warmroute_unscored_strategies_total', {
    unit: 'requests',
    labels: { strategy: STRATEGY_NAME },
    help: 'Decisions in which a strategy was not heard, as too few engines had said what it compares',
    bad: 'Any for long: the engines’ metrics cannot be read (`warmroute_engine_scrape_failures_total`), or are not read (`WARMROUTE_METRICS_INTERVAL_MS`).',
  }),
  decisionSeconds: histogram('warmroute_decision_seconds', {
    unit: 'seconds',
    labels: {
      outcome: allOf<Decision['kind'] | 'cancelled'>()(
        ...(['routed', 'rejected', 'undecided', 'passed', 'cancelled'] as const),
      ),
    },
    help: 'Time from the request body to the decision, by what it came to',
    bad: 'Near `WARMROUTE_DECISION_TIMEOUT_MS`: tokenizers are late. Every request waits so long before it reaches its pod.',
    buckets: STAGE_SECONDS,
  }),
  stageSeconds: histogram('warmroute_stage_seconds', {
    unit: 'seconds',
    labels: { stage: allOf<Stage>()('parse', 'tokenize', 'match', 'hash', 'decide', 'reply') },
    help: 'Time per stage of a decision: parsing the body, tokenizing, matching (of which hashing is a part), picking, and writing the reply',
    bad: 'Above a millisecond for anything but `tokenize`: very long prompts, or the event loop is busy. `tokenize`: the engines are.',
    buckets: STAGE_SECONDS,
  }),
  promptBlocks: counter('warmroute_prompt_blocks_total', {
    unit: 'blocks',
    labels: { model: MODEL },
    help: 'Full prompt blocks of routed requests',
    bad: 'None; the matched share is `warmroute_matched_blocks_total` by it.',
  }),
  matchedBlocks: counter('warmroute_matched_blocks_total', {
    unit: 'blocks',
    labels: { model: MODEL, tier: allOf<'gpu' | 'cpu' | 'storage'>()('gpu', 'cpu', 'storage') },
    help: 'Prompt blocks that the chosen pod held, by tier',
    bad: 'A share of the prompt blocks that falls with the same traffic: events are lost, caches too small, or pods overloaded.',
  }),
  confirmations: counter('warmroute_predictions_total', {
    unit: 'requests',
    labels: {
      model: MODEL,
      endpoint: ENDPOINT,
      verdict: allOf<Confirmation['verdict']>()('confirmed', 'unconfirmed'),
    },
    help: 'Sampled prompts whose blocks their pod then announced (confirmed), or did not (unconfirmed)',
    bad: 'More than a fifth `unconfirmed`: what is predicted is not what engines cache; docs/events.md, “Predicted and real”, has the causes.',
  }),
  inFlight: gauge('warmroute_requests_in_flight', {
    unit: 'requests',
    labels: { pod: POD },
    help: 'Requests in flight per pod',
    bad: 'One pod far above the others for long: it is slow, or holds what everybody asks for.',
  }),
  rememberedResponses: gauge('warmroute_remembered_responses', {
    unit: 'requests',
    help: 'Responses of /v1/responses of which it is remembered who made them',
    bad: 'At `WARMROUTE_REMEMBERED_RESPONSES`: older ones are forgotten, and asked for at the wrong pod.',
  }),
};
