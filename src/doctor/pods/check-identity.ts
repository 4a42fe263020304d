/** What the engine is, and what its version cannot do. */
import { limitsOf } from '../../pods/engine-profile.ts';
import { printable } from '../../printable.ts';
import { type Finding, ok, skip } from '../finding.ts';
import type { PodFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

const NAMES = { vllm: 'vLLM', sglang: 'SGLang', trtllm: 'TensorRT-LLM' } as const;

/**
 * What a vLLM before this minor version cannot do (`limitsOf` has what concerns its event stream). `always`: it costs every prompt; else
 * those that make use of it.
 */
const VLLM_LIMITS: readonly {
  readonly before: number;
  readonly costs: 'always' | 'some';
  readonly means: string;
}[] = [
  { before: 9, costs: 'always', means: 'it publishes no KV-cache events: they came with 0.9' },
  { before: 23, costs: 'some', means: 'image prompts match up to their first image' },
  {
    before: 32,
    costs: 'some',
    means: '/v1/messages and /v1/responses are not rendered: they are made a chat for /tokenize',
  },
  { before: 33, costs: 'some', means: 'with EAGLE or MTP one block less is reused than is announced' },
];

const OTHER_LIMITS = {
  sglang: [
    'requests with extra_key are routed by their history, since events do not name it',
    'for /v1/messages and /v1/responses it gives no tokens: they are routed by their history',
  ],
  trtllm: ['it has no /tokenize and renders nothing: its prompts are routed by their history'],
} as const;

/** Limits of the event stream that cost nothing, or that another check tells. */
const TOLD_ELSEWHERE: ReadonlySet<string> = new Set(['array_events', 'no_events', 'no_sources', 'no_replay']);

export function checkIdentity(facts: PodFacts): Finding[] {
  const { profile, metrics, health, events, pod } = facts;
  if (health.kind !== 'answered') return [];
  const { version } = profile;
  const engine =
    metrics.engine ?? (profile.events !== undefined && version === undefined ? 'sglang' : 'vllm');
  if (version === undefined && metrics.engine === undefined) {
    return [skip('version', 'it does not say what it is (GET /version, /metrics)')];
  }
  const said = `${NAMES[engine]} ${version === undefined ? 'of an unknown version' : printable(version, 40)}`;
  const wanted = { asked: pod.kvEvents.kind === 'auto', dialled: events.kind === 'followed', replayed: true };
  const ofEvents = limitsOf(profile, wanted).filter(({ what }) => !TOLD_ELSEWHERE.has(what));
  const ofVersion = engine === 'vllm' ? vllmLimits(version) : [];
  const hasAdapters = (profile.models?.adapters.length ?? 0) > 0;
  const costly = [
    ...ofEvents.filter(({ what }) => what === 'dials' || (what === 'no_lora_name' && hasAdapters)),
    ...ofVersion.filter(({ costs }) => costs === 'always'),
  ];
  const others = [...ofEvents, ...ofVersion]
    .filter(limit => !costly.includes(limit))
    .map(({ means }) => means);
  const known = [...others, ...(engine === 'vllm' ? [] : OTHER_LIMITS[engine])];
  return [
    ok('version', known.length === 0 ? said : `${said}; its limits: ${known.join('; ')}`),
    ...costly.map(({ means }) => podProblem('version_limit', `${said}: ${means}`)),
  ];
}

function vllmLimits(version: string | undefined) {
  const minor = Number(/^v?0\.(\d+)/.exec(version ?? '')?.[1] ?? Number.POSITIVE_INFINITY);
  return VLLM_LIMITS.filter(({ before }) => minor < before);
}
