/**
 * Which pods may be picked for a request: one filter before every policy.
 *
 *   1. pods that serve the model,
 *   2. of those, the ones that the request may go to: the gateway's subset hint, and the `external-filter` header,
 *   3. of those, the ones that are well; while none is, all that are awake; while none is, all.
 *
 * The first two are rules, and nobody left means that the request cannot be served. The third is advice.
 */
import { type ClientError, endpointOf, hostOf, type Pod } from '../domain.ts';
import type { HealthState, PodsHealth, Visibility } from '../health/pods-health.ts';
import type { PodRegistry } from '../pods/registry.ts';
import { type LabelSelector, parseLabelSelector } from './label-selector.ts';

/** What a request itself says about where it may go. */
export interface Bounds {
  /** The `external-filter` header, a Kubernetes label selector; undefined or blank: no filter. */
  readonly labels: string | undefined;
  /**
   * The gateway's hint: `ip:port`, or `ip` for any port. undefined: none was given; an empty one allows nobody.
   */
  readonly subset: readonly string[] | undefined;
}

export interface AllowedPods {
  readonly kind: 'allowed';
  readonly pods: readonly Pod[];
  /** How many serve the model, allowed or not. */
  readonly serving: number;
}

export type Allowed = AllowedPods | { readonly kind: 'rejected'; readonly error: ClientError };

export interface Picked {
  /** `trial`: it is to be found out whether this one pod has recovered. */
  readonly kind: 'well' | 'trial' | 'all_failing';
  /** Not empty. Unless it is a trial, the same list as long as nothing changes. */
  readonly pods: readonly Pod[];
  /** How each of them is. */
  readonly states: readonly HealthState[];
  readonly leftOut: LeftOut;
}

/** Allowed pods that are not well, while others are. */
export interface LeftOut {
  readonly count: number;
  /** The first ones of them. */
  readonly some: readonly { readonly pod: string; readonly health: HealthState }[];
}

export interface Candidates {
  /** Pods that serve the model and that the request may go to; the same list as long as nothing changes. */
  allowed(model: string, bounds: Bounds): Allowed;
  /**
   * Of these the ones to choose from now.
   * @param visibility a failing pod is tried with a request only if somebody looks at what it answers
   */
  wellAmong(pods: readonly Pod[], visibility: Visibility): Picked;
}

export interface CandidatesParts {
  readonly registry: Pick<PodRegistry, 'knows' | 'serving'>;
  readonly health: Pick<PodsHealth, 'version' | 'stateOf' | 'trialAmong'>;
}

/** Filters, and lists of pods filtered, that are kept for the next request with the same ones. */
const MAX_KEPT = 1024;
/** What is longer is made anew each time: clients write filters, and could fill the memory with them. */
const MAX_KEPT_FILTER_CHARACTERS = 512;
/** A subset of a thousand pods has 20,000. */
const MAX_KEPT_BOUNDS_CHARACTERS = 32_768;
const MAX_NAMED = 5;
const NOBODY: LeftOut = { count: 0, some: [] };
const OF_TRIAL: readonly HealthState[] = ['failing'];

export function createCandidates({ registry, health }: CandidatesParts): Candidates {
  const selectors = new Map<string, ReturnType<typeof parseLabelSelector>>();
  /** By the list that was filtered. */
  const filtered = new WeakMap<readonly Pod[], Map<string, readonly Pod[]>>();
  const well = new WeakMap<readonly Pod[], Picked & { readonly version: number }>();

  function selectorOf(text: string) {
    return text.length > MAX_KEPT_FILTER_CHARACTERS
      ? parseLabelSelector(text)
      : kept(selectors, text, () => parseLabelSelector(text));
  }

  function within(pods: readonly Pod[], matches: LabelSelector, { labels, subset }: Bounds): readonly Pod[] {
    const find = () => {
      const hosts = subset && new Set(subset.map(each => each.trim()));
      return pods.filter(pod => matches(pod.labels) && (hosts === undefined || isIn(hosts, pod)));
    };
    const key = JSON.stringify([labels, subset]);
    if (key.length > MAX_KEPT_BOUNDS_CHARACTERS) return find();
    let ofList = filtered.get(pods);
    if (ofList === undefined) {
      ofList = new Map();
      filtered.set(pods, ofList);
    }
    return kept(ofList, key, find);
  }

  function find(pods: readonly Pod[]): Picked {
    const states = pods.map(pod => health.stateOf(pod));
    const inState = (...wanted: HealthState[]) => pods.filter((_, i) => wanted.includes(states[i]!));
    const usable = inState('healthy', 'unknown');
    const awake = inState('failing');
    const chosen = usable.length > 0 ? usable : awake.length > 0 ? awake : pods;
    const kind = usable.length > 0 ? 'well' : 'all_failing';
    if (chosen.length === pods.length) return { kind, pods, states, leftOut: NOBODY };
    const isChosen = new Set(chosen);
    const others = pods.flatMap((pod, i) =>
      isChosen.has(pod) ? [] : [{ pod: pod.name, health: states[i]! }],
    );
    return {
      ...{ kind, pods: chosen, states: states.filter((_, i) => isChosen.has(pods[i]!)) },
      leftOut: { count: others.length, some: others.slice(0, MAX_NAMED) },
    };
  }

  return {
    allowed(model, bounds) {
      if (!registry.knows(model)) return rejected({ kind: 'unknown_model', model });
      const pods = registry.serving(model);
      if (pods.length === 0) return rejected({ kind: 'no_ready_pod', model });
      const labels = bounds.labels?.trim() || undefined;
      if (labels === undefined && bounds.subset === undefined)
        return { kind: 'allowed', pods, serving: pods.length };
      const selector = selectorOf(labels ?? '');
      if (selector.kind === 'invalid') return rejected({ kind: 'bad_filter', reason: selector.reason });
      const inside = within(pods, selector.matches, bounds);
      return inside.length > 0
        ? { kind: 'allowed', pods: inside, serving: pods.length }
        : rejected({ kind: 'no_allowed_pod', model });
    },

    wellAmong(pods, visibility) {
      const trial = visibility === 'watched' ? health.trialAmong(pods) : undefined;
      if (trial !== undefined) return { kind: 'trial', pods: [trial], states: OF_TRIAL, leftOut: NOBODY };
      const { version } = health;
      let known = well.get(pods);
      if (known?.version !== version) {
        known = { version, ...find(pods) };
        well.set(pods, known);
      }
      return known;
    },
  };
}

/** What was made for the key before, or is made now. Beyond `MAX_KEPT` the oldest is dropped. */
function kept<T>(all: Map<string, T>, key: string, make: () => T): T {
  const known = all.get(key);
  if (known !== undefined) return known;
  const made = make();
  all.set(key, made);
  for (const oldest of all.keys()) {
    if (all.size <= MAX_KEPT) break;
    all.delete(oldest);
  }
  return made;
}

function isIn(hosts: ReadonlySet<string>, pod: Pod): boolean {
  return hosts.has(endpointOf(pod)) || hosts.has(pod.ip) || hosts.has(hostOf(pod.ip));
}

function rejected(error: ClientError): Allowed {
  return { kind: 'rejected', error };
}
