/**
 * Decisions by prefix, which are most of all, without an object of their own: their numbers in arrays of numbers, and references to what is
 * there anyway (pods, lists of pods, strategies). Kept as objects, some thirty for each decision outlive the young generation, and
 * copying them there and back out again costs the collector more than everything else that is kept here.
 */
import type { Pod, PredictedTokens, RoutedDecision } from '../domain.ts';
import type { Compared, Considered, CostCompared, PrefixComparison } from '../routing/route.ts';
import type { KeptDecision } from './kept-decision.ts';

/** Of more candidates, retries or lists a decision stays an object. */
const MAX_CANDIDATES = 18;
const MAX_RETRIES = 3;
/** Numbers before those of the candidates; see `put`. */
const FIXED_NUMBERS = 34;
const NUMBERS = FIXED_NUMBERS + 7 * MAX_CANDIDATES;
const REFERENCES = 18 + MAX_RETRIES;
/** So that a router which decides little takes little memory. */
const CHUNK = 250;
/** For `undefined`: none of these numbers is ever below 0. */
const NONE = -1;

/** What a decision takes here, but for its texts. */
export const PACKED_BYTES = 8 * (NUMBERS + REFERENCES);

/** Where these stand among the references of a decision. */
const MODEL = 3;
const REASON = 8;
const POD = 17;

/** What a decision is looked for by. */
export interface Glance {
  readonly id: string;
  readonly model: string | undefined;
  /** Undefined: none was picked. */
  readonly pod: string | undefined;
  /** Why it was picked, why the prompt has no tokens, or why the request was rejected. */
  readonly reasons: readonly (string | undefined)[];
}

interface Chunk {
  readonly numbers: Float64Array;
  readonly references: unknown[];
}

type PackedComparison = PrefixComparison | CostCompared;

type Packable = KeptDecision & {
  readonly outcome: RoutedDecision;
  readonly course: { readonly considered: Considered & { readonly compared: PackedComparison } };
};

/** Whether a decision can be kept without an object of its own. */
export function isPackable(decision: KeptDecision): decision is Packable {
  const { outcome, course } = decision;
  if (outcome.kind !== 'routed' || outcome.retries.length > MAX_RETRIES) return false;
  const considered = course?.considered;
  if (considered === undefined || !isByPrefix(considered.compared)) return false;
  return considered.candidates.pods.length <= MAX_CANDIDATES && considered.unscored.length === 0;
}

function isByPrefix({ kind }: Compared): boolean {
  return kind === 'prefix' || kind === 'cost';
}

/** Decisions by the number of their place. */
export class PackedDecisions {
  readonly #chunks: Chunk[] = [];

  put(place: number, decision: Packable): void {
    const { numbers, references } = this.#chunkOf(place);
    const { outcome, course } = decision;
    const { tokens, offGpu, retries, pod } = outcome;
    const { considered, stages } = course;
    const { compared, candidates } = considered;
    let at = (place % CHUNK) * NUMBERS;
    numbers[at++] = decision.atMs;
    numbers[at++] = decision.tookMs;
    numbers[at++] = stages.parse;
    numbers[at++] = stages.tokenize ?? NONE;
    numbers[at++] = stages.match ?? NONE;
    numbers[at++] = stages.hash ?? NONE;
    numbers[at++] = stages.decide ?? NONE;
    numbers[at++] = course.tokens ?? NONE;
    numbers[at++] = outcome.rank ?? NONE;
    numbers[at++] = outcome.matchedBlocks;
    numbers[at++] = outcome.totalBlocks;
    numbers[at++] = offGpu.cpu;
    numbers[at++] = offGpu.storage;
    numbers[at++] = tokens === undefined ? NONE : tokens.prompt;
    numbers[at++] = tokens === undefined ? NONE : tokens.blockSizeTokens;
    numbers[at++] = tokens === undefined ? NONE : tokens.gpu;
    numbers[at++] = tokens === undefined ? NONE : tokens.cpu;
    numbers[at++] = tokens === undefined ? NONE : tokens.storage;
    numbers[at++] = considered.serving;
    numbers[at++] = considered.allowed;
    numbers[at++] = considered.pods;
    numbers[at++] = considered.blockSizeTokens ?? NONE;
    numbers[at++] = considered.winner;
    numbers[at++] = considered.least;
    numbers[at++] = considered.most;
    numbers[at++] = considered.mean;
    const isCost = compared.kind === 'cost';
    numbers[at++] = isCost ? 1 : 0;
    numbers[at++] = isCost ? compared.price : compared.imbalanced ? 1 : 0;
    numbers[at++] = isCost ? compared.promptTokens : compared.deviation;
    numbers[at++] = isCost ? compared.zonePenaltyMs : compared.bound;
    numbers[at++] = isCost ? (compared.winnersZone === 'free' ? 0 : 1) : compared.holders;
    numbers[at++] = isCost ? NONE : compared.tooBusy;
    numbers[at++] = isCost ? NONE : compared.equals;
    const { numbers: ofCandidates, cpu, storage, scores, queued } = candidates;
    numbers[at++] = cpu === undefined ? 0 : 1;
    for (let i = 0; i < ofCandidates.length; i++) numbers[at++] = ofCandidates[i]!;
    if (cpu !== undefined) for (let i = 0; i < cpu.length; i++) numbers[at++] = cpu[i]!;
    if (storage !== undefined) for (let i = 0; i < storage.length; i++) numbers[at++] = storage[i]!;
    if (scores !== undefined) for (let i = 0; i < scores.length; i++) numbers[at++] = scores[i]!;
    if (queued !== undefined) for (let i = 0; i < queued.length; i++) numbers[at++] = queued[i]!;

    const list = references;
    // A model’s name is the request’s own text: its pod has the same, most often.
    const own = (text: string | undefined) => (text === pod.model ? pod.model : text);
    let to = (place % CHUNK) * REFERENCES;
    list[to++] = decision.id;
    list[to++] = decision.traceId;
    list[to++] = decision.path;
    list[to++] = own(decision.model);
    list[to++] = own(course.model);
    list[to++] = own(outcome.model);
    list[to++] = course.prompt;
    list[to++] = outcome.strategy;
    list[to++] = outcome.reason;
    list[to++] = outcome.withoutTokens;
    list[to++] = outcome.arm;
    list[to++] = tokens?.space;
    list[to++] = considered.kind;
    list[to++] = considered.leftOut;
    list[to++] = considered.matchesAre;
    list[to++] = candidates.pods;
    list[to++] = candidates.states;
    list[to++] = pod;
    for (let i = 0; i < MAX_RETRIES; i++) list[to++] = retries[i];
  }

  /** As it was put there. */
  get(place: number): KeptDecision {
    const { numbers, references } = this.#chunkOf(place);
    let at = (place % CHUNK) * NUMBERS;
    const number = () => numbers[at++]!;
    const maybe = () => {
      const value = number();
      return value === NONE ? undefined : value;
    };
    const several = (count: number) => Array.from({ length: count }, number);
    let from = (place % CHUNK) * REFERENCES;
    const next = <T>() => references[from++] as T;

    const [atMs, tookMs] = [number(), number()];
    const stages = { parse: number(), tokenize: maybe(), match: maybe(), hash: maybe(), decide: maybe() };
    const courseTokens = maybe();
    const rank = maybe();
    const [matchedBlocks, totalBlocks] = [number(), number()];
    const offGpu = { cpu: number(), storage: number() };
    const [prompt, blockSizeTokens, gpu, cpu, storage] = [maybe(), number(), number(), number(), number()];
    const [serving, allowed, pods, blocksOf, winner] = [number(), number(), number(), maybe(), number()];
    const [least, most, mean] = [number(), number(), number()];
    const isCost = number() === 1;
    const [first, second, third, fourth, tooBusy, equals] = several(6) as [
      ...[number, number, number],
      ...[number, number, number],
    ];
    const compared: PackedComparison = isCost
      ? {
          ...{ kind: 'cost', price: first, promptTokens: second, zonePenaltyMs: third },
          winnersZone: fourth === 0 ? 'free' : 'elsewhere',
        }
      : {
          kind: 'prefix',
          ...{ imbalanced: first === 1, least, most, mean, deviation: second, bound: third },
          ...{ holders: fourth, tooBusy, equals },
        };
    const isOffGpu = number() === 1;

    const [id, traceId, path] = [next<string>(), next<string | undefined>(), next<string>()];
    const [model, courseModel, outcomeModel] = [
      next<string | undefined>(),
      next<string | undefined>(),
      next<string>(),
    ];
    const shown = next<string | undefined>();
    const outcome = {
      strategy: next<RoutedDecision['strategy']>(),
      reason: next<RoutedDecision['reason']>(),
      withoutTokens: next<RoutedDecision['withoutTokens']>(),
      arm: next<RoutedDecision['arm']>(),
    };
    const space = next<PredictedTokens['space']>();
    const [kind, leftOut] = [next<Considered['kind']>(), next<Considered['leftOut']>()];
    const matchesAre = next<Considered['matchesAre']>();
    const [candidatePods, states] = [next<readonly Pod[]>(), next<Considered['candidates']['states']>()];
    const pod = next<Pod>();
    const retries = Array.from({ length: MAX_RETRIES }, () => next<Pod | undefined>());
    const candidates = {
      ...{ pods: candidatePods, states },
      numbers: several(3 * candidatePods.length),
      cpu: isOffGpu ? several(candidatePods.length) : undefined,
      storage: isOffGpu ? several(candidatePods.length) : undefined,
      scores: isCost ? several(candidatePods.length) : undefined,
      queued: isCost ? several(candidatePods.length) : undefined,
      shares: undefined,
    };
    return {
      ...{ id, traceId, atMs, path, model, tookMs, served: undefined },
      outcome: {
        kind: 'routed',
        ...{ pod, rank, retries: retries.filter(each => each !== undefined), ...outcome },
        ...{ model: outcomeModel, matchedBlocks, totalBlocks, offGpu },
        tokens: prompt === undefined ? undefined : { space, prompt, blockSizeTokens, gpu, cpu, storage },
      },
      course: {
        ...{ model: courseModel, tokens: courseTokens, prompt: shown, stages },
        considered: {
          ...{
            serving,
            allowed,
            kind,
            leftOut,
            pods,
            least,
            most,
            mean,
            compared,
            matchesAre,
            candidates,
            winner,
          },
          ...{ blockSizeTokens: blocksOf, unscored: [] },
        },
      },
    };
  }

  /** What decisions are looked for by. */
  glance(place: number): Glance {
    const { references } = this.#chunkOf(place);
    const from = (place % CHUNK) * REFERENCES;
    return {
      id: references[from] as string,
      model: references[from + MODEL] as string | undefined,
      pod: (references[from + POD] as Pod).name,
      reasons: [references[from + REASON], references[from + REASON + 1]] as readonly (string | undefined)[],
    };
  }

  /** What is in this place is not needed any more. */
  drop(place: number): void {
    const from = (place % CHUNK) * REFERENCES;
    this.#chunkOf(place).references.fill(undefined, from, from + REFERENCES);
  }

  #chunkOf(place: number): Chunk {
    const at = Math.floor(place / CHUNK);
    this.#chunks[at] ??= {
      numbers: new Float64Array(CHUNK * NUMBERS),
      references: new Array(CHUNK * REFERENCES).fill(undefined),
    };
    return this.#chunks[at];
  }
}
