/** What routing by prefix is worth: tokens, seconds, and both arms of the experiment side by side (docs/worth.md). */
import type { Arm } from '../../domain.ts';
import type { SampledAnswer } from '../../routing/worth/sampled-answers.ts';
import { allOf, type ClosedLabel, counter, histogram } from './instrument.ts';
import { MODEL, REASON } from './labels.ts';

/** Left out where no arm was drawn: what cannot be routed by prefix is in neither. */
const ARM: ClosedLabel<Arm> = ['routed', 'control', 'left'];

/** From an engine that holds the prompt to a long prefill in a long queue. */
const FIRST_BYTE_SECONDS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.4, 0.6],
  ...[1, 1.5, 2.5, 4, 6, 10, 15, 25, 40, 60],
];

export const WORTH_METRICS = {
  promptTokens: counter('warmroute_prompt_tokens_total', {
    unit: 'tokens',
    labels: { model: MODEL, arm: ARM },
    help: 'Tokens of the prompts that were looked up, by arm; of those left to Envoy the ones of which it is known who has served',
    bad: 'None; the predicted hit rate is `warmroute_predicted_cached_tokens_total` by it.',
  }),
  predictedTokens: counter('warmroute_predicted_cached_tokens_total', {
    unit: 'tokens',
    labels: { model: MODEL, arm: ARM, tier: allOf<'gpu' | 'cpu' | 'storage'>()('gpu', 'cpu', 'storage') },
    help: 'Prompt tokens that the chosen pod, or of requests left to Envoy the one that served, was expected not to compute, as it holds their blocks, by arm and tier',
    bad: 'A share of `routed` that is hardly above that of `control`: prompts have little in common, or plain balancing would do as well.',
  }),
  savedSeconds: counter('warmroute_saved_prefill_seconds_total', {
    unit: 'seconds',
    labels: { model: MODEL, arm: ARM },
    help: 'Prefill time that the predicted cached tokens would have taken, at the rate that the chosen pod’s engine itself counts; what `routed` has per prompt above `control` is what routing saves',
    bad: 'None for long with predicted cached tokens: see `warmroute_unrated_cached_tokens_total`.',
  }),
  unratedTokens: counter('warmroute_unrated_cached_tokens_total', {
    unit: 'tokens',
    labels: { model: MODEL, arm: ARM },
    help: 'Predicted cached tokens that no saved prefill time was counted for, as it is not known how fast their engine computes',
    bad: 'All of them for long: the engines’ metrics cannot be read (`warmroute_engine_scrape_failures_total`), are not read (`WARMROUTE_METRICS_INTERVAL_MS=0`), or have no prefill times.',
  }),
  firstByte: histogram('warmroute_first_byte_seconds', {
    unit: 'seconds',
    labels: {
      arm: ARM,
      reason: REASON,
      answer: allOf<SampledAnswer['answer']>()('streamed', 'whole'),
    },
    help: 'Time from the pick to the first byte of what the engine has to say, of answers sampled at random: the first token of a streamed one, all of a whole one',
    bad: '`routed` above `control`: what prefixes save is lost in queues; see `warmroute_requests_in_flight` and docs/worth.md.',
    buckets: FIRST_BYTE_SECONDS,
  }),
  sampledAnswers: counter('warmroute_sampled_answers_total', {
    unit: 'requests',
    labels: {
      model: MODEL,
      outcome: allOf<SampledAnswer['outcome']['kind']>()(
        ...(['as_predicted', 'more_cached', 'less_cached', 'unpredicted', 'no_usage'] as const),
        ...(['encoded', 'error_status', 'other_pod', 'not_shown', 'too_many'] as const),
      ),
    },
    help: 'Answers sampled for what their engines say of cached tokens, by what was found; docs/worth.md has the meanings',
    bad: 'Much `less_cached`: engines reuse less than was predicted (docs/events.md, “Predicted and real”). Only `no_usage`: engines do not tell (vLLM: `--enable-prompt-tokens-details`), or clients stream without `include_usage`. `not_shown`: Envoy does not let the router ask for answers.',
  }),
  sampledPromptTokens: counter('warmroute_sampled_prompt_tokens_total', {
    unit: 'tokens',
    labels: { model: MODEL, arm: ARM },
    help: 'Prompt tokens of sampled answers, as their engines count them',
    bad: 'None; it is there to compare with.',
  }),
  sampledPredicted: counter('warmroute_sampled_predicted_cached_tokens_total', {
    unit: 'tokens',
    labels: { model: MODEL, arm: ARM },
    help: 'Cached tokens that were predicted for the prompts of sampled answers',
    bad: 'See `warmroute_sampled_reported_cached_tokens_total`.',
  }),
  sampledReported: counter('warmroute_sampled_reported_cached_tokens_total', {
    unit: 'tokens',
    labels: { model: MODEL, arm: ARM },
    help: 'Cached tokens that their engines reported for the same prompts',
    bad: 'Far below what was predicted for them: the index believes what engines do not hold. Far above: it does not know what they hold.',
  }),
};
