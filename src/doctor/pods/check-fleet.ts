/** What shows only when the pods are looked at together. */
import { endpointOf, type Pod } from '../../domain.ts';
import { publishersOf } from '../../events/event-feed.ts';
import { printable } from '../../printable.ts';
import { type Finding, ok } from '../finding.ts';
import type { PodFacts, TokensAnswer } from './pod-facts.ts';
import { podProblem } from './problems.ts';

export type FleetCheck = (all: readonly PodFacts[]) => readonly Finding[];

const FLEET_CHECKS: readonly FleetCheck[] = [checkAddresses, checkAdapters, checkAgreement, explainHashes];

export function findingsOfFleet(all: readonly PodFacts[]): Finding[] {
  return FLEET_CHECKS.flatMap(check => check(all));
}

function checkAddresses(all: readonly PodFacts[]): Finding[] {
  const pods = all.map(({ pod }) => pod);
  const shared = [
    ...sharedBy(pods, pod => [endpointOf(pod)]).map(saw => podProblem('two_pods_one_address', saw)),
    ...sharedBy(pods, pod =>
      publishersOf(pod).map(({ port }) => endpointOf({ ip: pod.ip, port: port ?? 0 })),
    ).map(saw => podProblem('two_pods_one_event_port', saw)),
  ];
  return shared.length > 0 ? shared : [ok('addresses', 'each pod has its own')];
}

/** Of each place that several pods have: where, and whose. */
function sharedBy(pods: readonly Pod[], placesOf: (pod: Pod) => readonly string[]): string[] {
  const owners = new Map<string, string[]>();
  for (const pod of pods)
    for (const place of placesOf(pod)) owners.set(place, [...(owners.get(place) ?? []), pod.name]);
  return [...owners]
    .filter(([, names]) => names.length > 1)
    .map(([place, names]) => `${place}: ${names.map(name => printable(name, 80)).join(', ')}`);
}

function checkAdapters(all: readonly PodFacts[]): Finding[] {
  const models = new Set(all.map(({ pod }) => pod.model));
  const bases = new Map<string, Set<string>>();
  for (const { pod, profile } of all)
    for (const adapter of profile.models?.adapters ?? [])
      bases.set(adapter, (bases.get(adapter) ?? new Set()).add(pod.model));
  const clashes = [...bases].flatMap(([adapter, ofModels]) => {
    const name = JSON.stringify(printable(adapter, 80));
    const shown = [...ofModels].map(model => JSON.stringify(printable(model, 80))).join(' and ');
    if (models.has(adapter))
      return [podProblem('adapter_clash', `the adapter ${name} of ${shown} is called as a model is`)];
    return ofModels.size > 1 ? [podProblem('adapter_clash', `${name} is an adapter of ${shown}`)] : [];
  });
  if (clashes.length > 0) return clashes;
  return bases.size === 0 ? [] : [ok('names', 'no adapter clashes with another name')];
}

/** Whether pods of one model give the same tokens for the same request. */
function checkAgreement(all: readonly PodFacts[]): Finding[] {
  const byModel = Map.groupBy(all, ({ pod }) => pod.model);
  return [...byModel].flatMap(([model, pods]) => {
    const parted = apart(pods);
    const name = JSON.stringify(printable(model, 80));
    if (parted.length > 0) return parted.map(saw => podProblem('pods_tokenize_apart', `${name}: ${saw}`));
    const compared = pods.filter(
      ({ tokens }) => tokens.kind === 'asked' && tokens.answers.some(isTokens),
    ).length;
    return compared < 2
      ? []
      : [ok('agreement', `${name}: ${compared} pods give the same tokens for the same request`)];
  });
}

function apart(pods: readonly PodFacts[]): string[] {
  const byPath = new Map<string, Map<string, string[]>>();
  for (const { pod, tokens } of pods)
    for (const answer of tokens.kind === 'asked' ? tokens.answers : []) {
      if (!isTokens(answer)) continue;
      const ofPath = byPath.get(answer.path) ?? new Map<string, string[]>();
      const ids = answer.outcome.ids.join();
      byPath.set(answer.path, ofPath.set(ids, [...(ofPath.get(ids) ?? []), printable(pod.name, 80)]));
    }
  return [...byPath].flatMap(([path, groups]) =>
    groups.size < 2 ? [] : [`${path}: ${[...groups.values()].map(names => names.join(', ')).join(' | ')}`],
  );
}

type WithTokens = TokensAnswer & { readonly outcome: { readonly kind: 'tokens' } };

function isTokens(answer: TokensAnswer): answer is WithTokens {
  return answer.outcome.kind === 'tokens';
}

function explainHashes(all: readonly PodFacts[]): Finding[] {
  if (all.every(({ events }) => events.kind !== 'followed')) return [];
  return [
    ok(
      'hashes',
      'engines’ own block hashes (PYTHONHASHSEED, --prefix-caching-hash-algo) need not agree here; a KV cache that engines share, as LMCache or prefill and decode apart, needs that',
    ),
  ];
}
