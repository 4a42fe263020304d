/** A history as tables of text, for a terminal and for a page. */
import type { History, HitRate, ModelHistory } from './history.ts';

export interface Section {
  readonly title: string;
  /** The titles first. */
  readonly rows: readonly (readonly string[])[];
}

export function overview({ models }: History): Section {
  const titles = [
    ...['model', 'requests', 'with prompt', 'prompt tokens', 'predicted hits', 'reported hits'],
    ...['reachable', 'imbalance'],
  ];
  const rows = models.map(model => [
    ...[model.model, count(model.requests), count(model.prompts), count(model.promptTokens)],
    ...[rateOf(model.predicted), rateOf(model.reported)],
    ...[share(model.reachableTokens, model.promptTokens), model.imbalance.toFixed(2)],
  ]);
  return { title: 'Models', rows: [titles, ...rows] };
}

/** Of what there is something to tell. */
export function sectionsOf(history: ModelHistory): readonly Section[] {
  return SECTIONS.map(section => section(history)).filter(({ rows }) => rows.length > 1);
}

const SECTIONS: readonly ((history: ModelHistory) => Section)[] = [
  ({ outcomes }) => ({
    title: 'Outcomes',
    rows: [['outcome', 'requests'], ...outcomes.map(({ name, requests }) => [name, count(requests)])],
  }),
  ({ reasons }) => ({
    title: 'Reasons',
    rows: [
      ['reason', 'requests', 'first bytes seen', 'p50', 'p99'],
      ...reasons.map(({ reason, requests, firstBytes, firstByteP50Ms, firstByteP99Ms }) => [
        ...[reason, count(requests), count(firstBytes)],
        ...(firstBytes === 0 ? [NOTHING, NOTHING] : [duration(firstByteP50Ms), duration(firstByteP99Ms)]),
      ]),
    ],
  }),
  ({ arms }) => ({
    title: 'Arms of the experiment',
    rows: [
      ['arm', 'requests', 'prompt tokens', 'predicted hits'],
      ...arms.map(arm => [arm.arm, count(arm.requests), count(arm.promptTokens), rateOf(arm)]),
    ],
  }),
  ({ pods, promptTokens }) => ({
    title: 'Pods',
    rows: [
      ['pod', 'requests', 'prompt tokens', 'of all', 'computed, by prediction'],
      ...pods.map(pod => [
        ...[pod.pod, count(pod.requests), count(pod.promptTokens)],
        ...[share(pod.promptTokens, promptTokens), count(pod.computedTokens)],
      ]),
    ],
  }),
  ({ overTime, spanMs }) => ({
    title: `Over time, in spans of ${duration(spanMs)}`,
    rows: [
      ['begins at', 'requests', 'prompt tokens', 'predicted hits', 'reachable'],
      ...overTime.map(span => [
        ...[duration(span.startMs), count(span.requests), count(span.promptTokens)],
        ...[share(span.predictedTokens, span.lookedUpTokens), share(span.reachableTokens, span.promptTokens)],
      ]),
    ],
  }),
  ({ reuse }) => ({
    title: 'Of the tokens that could be used again, those last used within',
    rows: [
      ['time', 'tokens'],
      ...LIMITS_MS.map(limit => [duration(limit), share(within(reuse.bySinceMs, limit), reuse.tokens)]),
    ].slice(0, reuse.tokens === 0 ? 1 : undefined),
  }),
  ({ reuse }) => ({
    title:
      'Of the tokens that could be used again, those that a cache of so many tokens for all would have had',
    rows: [
      ['cache', 'tokens'],
      ...LIMITS_TOKENS.map(limit => [count(limit), share(within(reuse.byNewTokens, limit), reuse.tokens)]),
    ].slice(0, reuse.tokens === 0 ? 1 : undefined),
  }),
  ({ hotPrefixes }) => ({
    title: 'Prefixes that saved the most',
    rows: [
      ['id of its last block', 'tokens', 'requests', 'tokens saved', 'pods'],
      ...hotPrefixes.map(({ id, tokens, requests, savedTokens, pods }) => [
        ...[String(id), count(tokens), count(requests), count(savedTokens), named(pods)],
      ]),
    ],
  }),
];

const NOTHING = '–';
const MINUTE = 60_000;
const LIMITS_MS = [1_000, 10_000, MINUTE, 10 * MINUTE, 60 * MINUTE, 24 * 60 * MINUTE];
const LIMITS_TOKENS = [64_000, 256_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000];
const NAMED_PODS = 4;

function named(pods: readonly string[]): string {
  const rest = pods.length - NAMED_PODS;
  return [...pods.slice(0, NAMED_PODS), ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ');
}

/** Of a cumulative list what is surely within the limit. */
function within(cumulative: readonly (readonly [number, number])[], limit: number): number {
  return cumulative.findLast(([value]) => value <= limit)?.[1] ?? 0;
}

function rateOf({ requests, hitRate }: HitRate): string {
  return requests === 0 ? NOTHING : share(hitRate, 1);
}

function share(part: number, whole: number): string {
  return whole === 0 ? NOTHING : `${((100 * part) / whole).toFixed(1)} %`;
}

function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 2 * MINUTE) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 120 * MINUTE) return `${Number((ms / MINUTE).toFixed(1))} min`;
  return `${Number((ms / 60 / MINUTE).toFixed(1))} h`;
}
