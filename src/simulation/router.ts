import { Load } from '../routing/load.ts';
import { createPrefixLookup, type PrefixLookup } from '../routing/prefix-lookup.ts';
import type { TokenWork } from '../routing/work/token-work.ts';
import { type Fleet, MODEL } from './fleet.ts';
import type { SimulatedPolicy } from './policy.ts';
import { writePrompt } from './trace/prompt-tokens.ts';
import type { TraceRequest } from './trace/trace-request.ts';
import type { Origin } from './zones.ts';

export interface RouterOptions {
  readonly fleet: Fleet;
  readonly work: TokenWork;
  readonly policy: SimulatedPolicy;
  readonly random: () => number;
  readonly blockSizeTokens: number;
  /** Whether a prompt just routed counts as held by its pod. */
  readonly expectation: 'remembered' | 'none';
}

export interface Picked {
  /** The pod's place in the fleet. */
  readonly index: number;
  /** The pod is in another zone than the request. */
  readonly leavesZone: boolean;
  /** Of the prompt, what the pod is expected to reuse. */
  readonly predictedTokens: number;
  /** The request goes there; returns what is to be called when it ends. */
  readonly send: () => () => void;
}

/** What the router does with a request: the real look-up, the real load, and the policy's choice from the snapshot of both. */
export class Router {
  readonly #options: RouterOptions;
  readonly #load = new Load();
  readonly #lookup: PrefixLookup;
  /** Of the prompt that is looked up: used again. */
  #tokens = new Uint32Array(1 << 15);
  #turn = 0;

  constructor(options: RouterOptions) {
    const { fleet, blockSizeTokens: size } = options;
    this.#options = options;
    this.#lookup = createPrefixLookup({
      ...{ cache: fleet.cache, hasher: fleet.hasher, source: 'engines' },
      defaultBlockSizeTokens: { engine: size, character: size, tiktoken: size },
      maxBlocksPerPrompt: Number.POSITIVE_INFINITY,
    });
  }

  pick(request: TraceRequest, { zone, penaltiesOf }: Origin): Picked {
    const { fleet, work, policy, random, blockSizeTokens, expectation } = this.#options;
    const { pods, engineLoad } = fleet;
    const { inputTokens } = request;
    const tokens = { space: 'engine', ids: this.#tokensOf(request) } as const;
    const found = this.#lookup(tokens, { model: MODEL, adapter: undefined, salt: '' }, pods);
    const podsWork = work.ofAll(pods);
    const index = policy.pick({
      ...{ request, blockSizeTokens, pods, engineLoad, random },
      ...podsWork,
      work: () => podsWork,
      ...{ promptTokens: inputTokens, matchedTokens: found.matchedTokens },
      ...{ offGpu: found.offGpu, adapter: undefined },
      running: this.#load.runningOn(pods),
      matchedBlocks: found.matchedBlocks,
      totalBlocks: found.totalBlocks,
      zonePenaltiesMs: penaltiesOf(pods),
      session: { id: undefined, key: undefined },
      turn: this.#turn++,
    });
    const pod = pods[index]!;
    // An engine computes at least the last token.
    const reusable = Math.floor((inputTokens - 1) / blockSizeTokens);
    const predictedTokens = blockSizeTokens * Math.min(found.matchedBlocks[index]!, reusable);
    return {
      index,
      leavesZone: pod.zone !== zone,
      predictedTokens,
      send: () => {
        if (expectation === 'remembered') found.remember(pod);
        const lease = this.#load.begin(pod);
        const waiting = work.routed(pod, inputTokens - predictedTokens);
        const accounted = policy.sent(index, request);
        return () => {
          lease.release();
          waiting.ended();
          accounted();
        };
      },
    };
  }

  /** Valid until the next request. */
  #tokensOf(request: TraceRequest): Uint32Array {
    const { inputTokens } = request;
    if (this.#tokens.length < inputTokens) this.#tokens = new Uint32Array(2 * inputTokens);
    writePrompt(request, this.#tokens);
    return this.#tokens.subarray(0, inputTokens);
  }
}
