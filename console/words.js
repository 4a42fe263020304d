/** Reasons and states in words; docs/architecture.md, “Why a pod was chosen”, has the whole. */

/** @import { Reason, WithoutTokens } from '../src/domain.ts' */
/** @import { DecisionSummary, PodView, PublisherStateName } from '../src/ops/console/messages.ts' */

/** @type {Readonly<Record<Reason, string>>} */
export const REASONS = {
  prefix_match: 'holds the longest part of the prompt',
  control: 'what is held was left aside, to compare with: least loaded',
  prefix_match_skipped: 'those that hold it are too busy: least loaded',
  no_match: 'nobody holds its beginning: least loaded',
  history_match: 'an earlier turn went there',
  response_owner: 'made the response that the request names',
  only_pod: 'the only pod',
  no_prompt: 'no prompt to look up: least loaded',
  trial: 'a trial, whether the pod is back',
  all_failing: 'all pods fail: least loaded of them',
  private_key: 'cache key that events do not tell: least loaded',
  no_token_form: 'no engine can tokenize it: least loaded',
  prompt_refused: 'the engine refuses the prompt: least loaded',
  tokenizer_failed: 'tokenizing failed: least loaded',
  deadline: 'tokenizing took too long: least loaded',
  index_failed: 'the index failed: least loaded',
  late_body: 'the body came too slowly: least loaded',
  buffers_full: 'no room for the body: least loaded',
  unknown_encoding: 'unknown content-encoding: least loaded',
  too_intricate: 'too many values to read: least loaded',
  any_pod: 'names no model that is served: least loaded',
  cancelled: 'nobody waited: the client left, or Envoy’s message_timeout was over',
  session_id: 'its session is there',
  session_key: 'its session key leads there',
  no_session: 'no session to keep: least loaded',
  no_engine_metrics: 'engines say too little of themselves: least loaded',
  weighted: 'highest weighted sum',
  'least-request': 'fewest requests in flight',
  random: 'by chance',
  'round-robin': 'its turn',
  'power-of-two': 'the less loaded of two at random',
  'least-kv-cache': 'least KV cache in use',
  'least-gpu-cache': 'least KV cache in use on the GPU',
  'least-latency': 'lowest expected latency',
  throughput: 'lowest throughput so far',
  'least-busy-time': 'least busy lately',
  'least-utilization': 'least utilized',
};

/** Reasons that are a fault of something. @type {ReadonlySet<Reason | WithoutTokens>} */
const FAULTS = new Set(
  /** @type {const} */ ([
    ...['all_failing', 'tokenizer_failed', 'deadline', 'index_failed', 'late_body', 'buffers_full'],
    ...['unknown_encoding', 'too_intricate', 'no_engine_metrics'],
  ]),
);

/** @param {DecisionSummary} decision */
export function whyOf({ outcome, reason, withoutTokens, error }) {
  if (outcome === 'rejected') return `refused: ${spaced(error ?? 'unknown error')}`;
  if (outcome === 'undecided') return 'too little of it came in time: Envoy balances it';
  if (outcome === 'passed') return 'no strategy asked for: Envoy’s own routes';
  if (reason === null) return '';
  const words = REASONS[reason] ?? spaced(reason);
  if (withoutTokens === null || withoutTokens === reason) return words;
  return `${words} (no tokens: ${spaced(withoutTokens)})`;
}

/** @param {DecisionSummary} decision @returns {'good' | 'plain' | 'bad'} */
export function toneOf({ outcome, reason, withoutTokens }) {
  if (outcome === 'rejected') return 'bad';
  if ((reason !== null && FAULTS.has(reason)) || (withoutTokens !== null && FAULTS.has(withoutTokens)))
    return 'bad';
  return reason === 'prefix_match' || reason === 'history_match' ? 'good' : 'plain';
}

/** @type {Readonly<Record<PodView['health'], 'good' | 'bad' | 'waiting'>>} */
export const HEALTH_TONES = { healthy: 'good', failing: 'bad', sleeping: 'waiting', unknown: 'waiting' };

/** What a state of an event stream means. @type {Readonly<Record<PublisherStateName, { tone: 'good' | 'bad' | 'waiting', means: string }>>} */
export const STREAM_STATES = {
  live: { tone: 'good', means: 'all that the engine has said is known' },
  connecting: { tone: 'waiting', means: 'no connection yet, or nothing heard' },
  replaying: { tone: 'waiting', means: 'what was missed is asked for again' },
  draining: { tone: 'waiting', means: 'what came during the replay is applied' },
  cold: { tone: 'bad', means: 'only what was said since the last break is known' },
  not_followed: { tone: 'bad', means: 'no room for its connection: raise the limit of open files' },
};

/** @type {Readonly<Record<string, string>>} */
const STREAM_REASONS = {
  no_replay: 'messages were missed, and the engine does not replay',
  replay_failed: 'it did not replay when asked',
  evicted: 'what was missed is no longer in its replay buffer',
  hole: 'its replays leave out the same messages again and again',
  overflow: 'more came than could be read',
  begins_at_1: 'its replay begins with message 1',
  damaged: 'a message could not be decoded',
  backing_off: 'it broke again and again, and is left alone for some time',
  two_publishers: 'two engines publish on one stream',
  foreign_replay: 'the replay is another process’s',
  first_contact: 'first contact',
  gap: 'messages were missed',
  restart: 'the engine was started again',
  reconnected: 'the connection was lost',
  unverified: 'is it the same process?',
  retry: 'another try, after one that failed',
};

/** @param {string} why */
export function streamReason(why) {
  return STREAM_REASONS[why] ?? spaced(why);
}

/** @param {string} name */
export function spaced(name) {
  return name.replaceAll('_', ' ');
}
