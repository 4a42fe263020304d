import type { CacheState } from '../cache/cache-state.ts';
import { multiPartMatch } from '../cache/multi-part-match.ts';
import type {
  BlockChain,
  BlockForm,
  BlockHash,
  CacheContext,
  HolderId,
  Pod,
  TokenSpace,
  Tokens,
} from '../domain.ts';
import { type BlockHasher, chainWithKept, lookaheadOf, mediaExtras } from '../prompt/blocks.ts';
import { type Clock, monotonicClock } from '../time.ts';

/** How much of one prompt each pod holds: a number per pod, in their order. Valid until the next look-up. */
export interface PrefixFound {
  /** Held full blocks from the start without a hole, in the pod's block size. */
  readonly matchedBlocks: Uint32Array;
  /** The prompt's full blocks, in the same size. */
  readonly totalBlocks: Uint32Array;
  /** Tokens of the matched blocks. */
  readonly matchedTokens: Uint32Array;
  /** Of the matched blocks those that are not on the GPU; undefined if all are. */
  readonly offGpu: { readonly cpu: Uint32Array; readonly storage: Uint32Array } | undefined;
  /** The LoRA adapter that the prompt is for, as far as engines have shown. */
  readonly adapter: string | undefined;
  /** Of the blocks of pod `i`, in tokens; undefined: the prompt was not cut for it. */
  blockSizeOf(i: number): number | undefined;
  /** Milliseconds of the look-up that went into hashing the prompt. */
  readonly hashingMs: number;
  /**
   * Which of the data-parallel ranks behind the address of pod `i` is known to hold the most, as the engine has announced;
   * undefined where there is only one, or none holds anything.
   */
  rankOf(i: number): number | undefined;
  /** Whether this pod has a rank of this number, as far as is known. */
  hasRank(pod: Pod, rank: number): boolean;
  /**
   * The prompt's full blocks as this pod will name them: in its block size, or in all that its model has while its own is not
   * known; none where it is not known under which name it caches.
   */
  chainsFor(pod: Pod): readonly BlockChain[];
  /** In the smallest blocks that the prompt was cut into: the same for equal prompts, whichever pods are asked. */
  finest(): PromptChain;
  /** The prompt was sent to this pod: it will hold it soon. Returns how to take that back, if its request fails. */
  remember(pod: Pod): () => void;
}

/** A prompt's full blocks, and what their hashes begin with. */
export interface PromptChain {
  readonly root: BlockHash;
  readonly chain: BlockChain;
}

export interface PromptContext {
  /** As the request names it: a base model, an alias or a LoRA adapter. */
  readonly model: string;
  /** The adapter, where the request names it beside the model. */
  readonly adapter: string | undefined;
  readonly salt: string;
}

export type PrefixLookup = (tokens: Tokens, context: PromptContext, pods: readonly Pod[]) => PrefixFound;

export type PrefixHasher = Pick<BlockHasher, 'root' | 'chain'>;

export interface PrefixLookupParts {
  readonly cache: Pick<CacheState, 'index' | 'holders' | 'catalog' | 'history'>;
  /** Whether engines say what they hold, and so how they cut and name it; otherwise only what was routed where is known. */
  readonly source: 'engines' | 'history';
  /** The one that events are hashed with. */
  readonly hasher: PrefixHasher;
  /** For token spaces, or models, whose block size no event has shown. */
  readonly defaultBlockSizeTokens: Readonly<Record<TokenSpace, number>>;
  /** Of longer prompts only so many blocks from the start are looked up and remembered. */
  readonly maxBlocksPerPrompt: number;
  readonly now?: Clock;
}

/** One prompt cut in one form. */
interface Cut extends PromptChain {
  readonly form: BlockForm;
}

/** What is the same for all prompts as long as the pods are the same. */
interface PodList {
  /** Where a pod stands in the list, by its slot; -1 for those that do not. */
  readonly bySlot: Int32Array;
  readonly models: readonly string[];
  /** What is found, used again for each prompt. Blocks of different sizes are compared by the tokens that they cover. */
  readonly matchedBlocks: Uint32Array;
  readonly matchedTokens: Uint32Array;
  readonly totalBlocks: Uint32Array;
  /** Of pods that may have several ranks: the best one, -1 if there is none, and how many tokens it holds. */
  readonly ranks: { readonly best: Int32Array; readonly tokens: Uint32Array } | undefined;
}

/** Cuts a prompt into chains, one per cache model and block size in use, and looks each up in the index. */
export function createPrefixLookup(parts: PrefixLookupParts): PrefixLookup {
  const { source, hasher, defaultBlockSizeTokens, maxBlocksPerPrompt, now = monotonicClock } = parts;
  const { index, holders, catalog, history } = parts.cache;
  const dropping = catalog.dropsLastBlock;
  const lists = new WeakMap<readonly Pod[], PodList>();

  function listOf(pods: readonly Pod[]): PodList {
    const known = lists.get(pods);
    if (known !== undefined) return known;
    const slots = pods.map(pod => holders.slotOf(pod.name));
    const bySlot = new Int32Array(Math.max(...slots, 0) + 1).fill(-1);
    slots.forEach((slot, i) => {
      bySlot[slot] = i;
    });
    const list = {
      bySlot,
      models: [...new Set(pods.map(({ model }) => model))],
      matchedBlocks: new Uint32Array(pods.length),
      matchedTokens: new Uint32Array(pods.length),
      totalBlocks: new Uint32Array(pods.length),
      ranks: pods.some(mayHaveRanks)
        ? { best: new Int32Array(pods.length), tokens: new Uint32Array(pods.length) }
        : undefined,
    };
    lists.set(pods, list);
    return list;
  }

  /** Under which names engines cache this request: blocks of an adapter are not blocks of its base model. */
  function cacheModels({ adapter, model }: PromptContext, { models }: PodList): readonly string[] {
    if (adapter !== undefined) return [adapter];
    return source === 'engines' && !catalog.isAdapter(model) ? models : [model];
  }

  function cacheModelOf(pod: Pod, { adapter, model }: PromptContext): string {
    return adapter ?? (source === 'engines' && !catalog.isAdapter(model) ? pod.model : model);
  }

  /** Where an engine says itself how many there are, by those that it has. */
  function hasRanks({ name, kvEvents }: Pod): boolean {
    if (kvEvents.kind === 'zmq') return kvEvents.ranks > 1;
    return holders.of(name).some(id => holders.rankOf(id) > 0);
  }

  function hasRank({ name, kvEvents }: Pod, rank: number): boolean {
    if (kvEvents.kind === 'zmq') return kvEvents.ranks > rank;
    return holders.of(name).some(id => holders.rankOf(id) >= rank);
  }

  function blockForms(cacheModel: string, space: TokenSpace): BlockForm[] {
    const seen = space === 'engine' && source === 'engines' ? catalog.blockForms(cacheModel) : [];
    return seen.length > 0 ? seen : [{ sizeTokens: defaultBlockSizeTokens[space], lookaheadTokens: 0 }];
  }

  function cut({ ids: all, media, chains }: Tokens, context: CacheContext, form: BlockForm): Cut {
    const { sizeTokens } = form;
    const root = hasher.root(context, form);
    const ids = all.subarray(0, maxBlocksPerPrompt * sizeTokens + form.lookaheadTokens);
    if (chains !== undefined && media === undefined && form.lookaheadTokens === 0)
      return { form, root, chain: chainWithKept(hasher, root, ids, sizeTokens, chains) };
    const extras = media && mediaExtras(media, form);
    const chain = hasher.chain(root, ids, sizeTokens, extras, lookaheadOf(ids, form));
    return { form, root, chain };
  }

  return (tokens, prompt, pods) => {
    const list = listOf(pods);
    const cuts = new Map<string, Cut[]>();
    const all: Cut[] = [];
    const { matchedBlocks, matchedTokens, totalBlocks, ranks } = list;
    ranks?.best.fill(-1);
    ranks?.tokens.fill(0);
    for (const each of [matchedBlocks, matchedTokens, totalBlocks]) each.fill(0);
    let offGpu: { cpu: Uint32Array; storage: Uint32Array } | undefined;

    history.expire();
    const startedAt = now();
    for (const cacheModel of cacheModels(prompt, list)) {
      const context = { space: tokens.space, model: cacheModel, salt: prompt.salt };
      const ofModel = blockForms(cacheModel, tokens.space).map(form => cut(tokens, context, form));
      cuts.set(cacheModel, ofModel);
      all.push(...ofModel);
    }
    const hashingMs = now() - startedAt;
    for (const each of all) look(each);
    if (all.length === 1) totalBlocks.fill(all[0]!.chain.length);
    else {
      for (let i = 0; i < pods.length; i++) {
        if (matchedBlocks[i] === 0) totalBlocks[i] = chainsOf(pods[i]!)[0]?.length ?? 0;
      }
    }

    function look(cut: Cut): void {
      const { chain } = cut;
      const found = index.find(chain);
      found.forEachLayer((depth, ids, from, to) => {
        if (ranks === undefined && dropping.size === 0 && offGpu === undefined) {
          takeAll(depth, chain, ids, from, to);
          return;
        }
        for (let i = from; i < to; i++) take(holders.slotOfLone(ids[i] as HolderId), depth, cut);
        if (ranks === undefined) return;
        for (let i = from; i < to; i++) {
          const id = ids[i] as HolderId;
          takeRank(holders.slotOfLone(id), holders.rankOf(id), depth, chain);
        }
      });
      for (const multiPart of holders.multiParts()) {
        if (!found.depthOf(multiPart.tiers?.anywhere ?? multiPart.gpu)) continue;
        const { depth, cpu, storage } = multiPartMatch(found, multiPart);
        takeRank(multiPart.slot, holders.rankOf(multiPart.gpu), depth, chain);
        const at = take(multiPart.slot, depth, cut);
        if (at === undefined || (offGpu === undefined && cpu + storage === 0)) continue;
        offGpu ??= { cpu: new Uint32Array(pods.length), storage: new Uint32Array(pods.length) };
        offGpu.cpu[at] = Math.min(cpu, matchedBlocks[at]!);
        offGpu.storage[at] = Math.min(storage, matchedBlocks[at]! - offGpu.cpu[at]!);
      }
    }

    /**
     * As `take` of each, where nothing but these holders tells of a pod. All of a fleet may be in one layer: with a call for each, a decision among
     * a thousand pods takes a tenth longer.
     */
    function takeAll(depth: number, chain: BlockChain, ids: Uint32Array, from: number, to: number): void {
      const { bySlot } = list;
      const { loneSlots } = holders;
      const tokensHeld = depth * chain.blockSizeTokens;
      for (let i = from; i < to; i++) {
        const slot = loneSlots[ids[i]!]!;
        if (!(slot >= 0 && slot < bySlot.length)) continue;
        const at = bySlot[slot]!;
        if (at < 0 || tokensHeld <= matchedTokens[at]!) continue;
        matchedTokens[at] = tokensHeld;
        matchedBlocks[at] = depth;
        totalBlocks[at] = chain.length;
      }
    }

    /** The pod's place in the list, if this is the most of it so far. */
    function take(slot: number, held: number, { chain, form }: Cut): number | undefined {
      const at = list.bySlot[slot] ?? -1;
      if (at < 0) return undefined;
      const isDropped = dropping.size > 0 && form.lookaheadTokens === 0 && dropping.has(pods[at]!.name);
      const depth = isDropped ? held - 1 : held;
      if (depth * chain.blockSizeTokens <= matchedTokens[at]!) return undefined;
      matchedTokens[at] = depth * chain.blockSizeTokens;
      matchedBlocks[at] = depth;
      totalBlocks[at] = chain.length;
      if (offGpu !== undefined) offGpu.cpu[at] = offGpu.storage[at] = 0;
      return at;
    }

    function takeRank(slot: number, rank: number, depth: number, chain: BlockChain): void {
      const at = list.bySlot[slot] ?? -1;
      if (ranks === undefined || at < 0 || rank < 0) return;
      const tokensHeld = depth * chain.blockSizeTokens;
      if (tokensHeld <= ranks.tokens[at]!) return;
      ranks.tokens[at] = tokensHeld;
      ranks.best[at] = rank;
    }

    /** In the form of this pod's blocks; in all forms that its model has while its own is not known. */
    function chainsOf(pod: Pod): readonly BlockChain[] {
      const cacheModel = cacheModelOf(pod, prompt);
      const all = cuts.get(cacheModel) ?? [];
      const ranks = source === 'engines' && all.length > 1 ? holders.of(pod.name) : [];
      const own = all.filter(({ form }) => ranks.some(rank => catalog.uses(rank, cacheModel, form)));
      return (own.length > 0 ? own : all).map(({ chain }) => chain);
    }

    function chainsFor(pod: Pod): readonly BlockChain[] {
      // Of a name that no engine has shown it is not known whether it is an adapter, and so what will be held.
      const name = prompt.adapter ?? prompt.model;
      const isKnown = cacheModelOf(pod, prompt) === name || catalog.isBaseName(name);
      return isKnown ? chainsOf(pod) : [];
    }

    return {
      ...{ matchedBlocks, totalBlocks, matchedTokens },
      offGpu,
      hashingMs,
      adapter: prompt.adapter ?? (catalog.isAdapter(prompt.model) ? prompt.model : undefined),
      blockSizeOf: i =>
        matchedBlocks[i] === 0
          ? chainsOf(pods[i]!)[0]?.blockSizeTokens
          : matchedTokens[i]! / matchedBlocks[i]!,
      rankOf: i => {
        const rank = ranks?.best[i] ?? -1;
        return rank >= 0 && hasRanks(pods[i]!) ? rank : undefined;
      },
      hasRank,
      chainsFor,
      finest: () =>
        all.reduce((least, each) => (each.form.sizeTokens < least.form.sizeTokens ? each : least)),
      remember: pod => {
        const stored = chainsFor(pod).map(chain => history.store(pod.name, chain));
        return () => {
          for (const expectation of stored) if (expectation !== undefined) history.withdraw(expectation);
        };
      },
    };
  };
}

function mayHaveRanks({ kvEvents }: Pod): boolean {
  return kvEvents.kind === 'auto' || (kvEvents.kind === 'zmq' && kvEvents.ranks > 1);
}
