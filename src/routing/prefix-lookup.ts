import type { BlockChain, Pod, TokenSpace, Tokens } from '../domain.ts';
import type { ContextCatalog } from '../prefix-index/context-catalog.ts';
import { ANY_RANK, type Holders } from '../prefix-index/holders.ts';
import type { PrefixIndex } from '../prefix-index/prefix-index.ts';
import { chainBlocks, rootOf } from '../prompt/blocks.ts';

/** How much of one prompt each pod holds. */
export interface PrefixFound {
  /** Held full blocks from the start without a hole, and the prompt's full blocks, both in this pod's block size. */
  of(pod: Pod): { readonly matchedBlocks: number; readonly totalBlocks: number };
  /** The prompt was sent to this pod: it will hold it soon. */
  remember(pod: Pod): void;
}

export interface PromptContext {
  /** As the request names it: a base model, an alias or a LoRA adapter. */
  readonly model: string;
  readonly salt: string;
}

export type PrefixLookup = (tokens: Tokens, context: PromptContext, pods: readonly Pod[]) => PrefixFound;

export interface PrefixLookupParts {
  /** What engines say they hold; absent without KV-cache events. */
  readonly engines: { readonly index: PrefixIndex; readonly catalog: ContextCatalog } | undefined;
  /** What was routed where. */
  readonly history: PrefixIndex;
  readonly holders: Holders;
  /** Seed of all chains of this process. */
  readonly seed: number;
  /** For token spaces, or models, whose block size no event has shown. */
  readonly defaultBlockSizeTokens: Readonly<Record<TokenSpace, number>>;
  /** Of longer prompts only so many blocks from the start are looked up and remembered. */
  readonly maxBlocksPerPrompt: number;
}

/** Cuts a prompt into chains, one per cache model and block size in use, and looks each up in the indexes. */
export function createPrefixLookup(parts: PrefixLookupParts): PrefixLookup {
  const { engines, history, holders, seed, defaultBlockSizeTokens, maxBlocksPerPrompt } = parts;
  const indexes = engines ? [engines.index, history] : [history];

  /** Under which name an engine caches this request: blocks of an adapter are not blocks of its base model. */
  function cacheModelOf(pod: Pod, requested: string): string {
    return engines && !engines.catalog.isAdapter(requested) ? pod.model : requested;
  }

  function blockSizes(cacheModel: string, space: TokenSpace): number[] {
    const seen = space === 'engine' && engines ? engines.catalog.blockSizes(cacheModel) : [];
    return seen.length > 0 ? seen : [defaultBlockSizeTokens[space]];
  }

  return (tokens, { model, salt }, pods) => {
    const chains = new Map<string, BlockChain[]>();
    const held = new Map<string, { depth: number; chain: BlockChain }>();
    for (const cacheModel of new Set(pods.map(pod => cacheModelOf(pod, model)))) {
      const chainsOfModel = blockSizes(cacheModel, tokens.space).map(blockSizeTokens => {
        const root = rootOf({ space: tokens.space, model: cacheModel, salt }, blockSizeTokens, seed);
        const ids = tokens.ids.subarray(0, maxBlocksPerPrompt * blockSizeTokens);
        return chainBlocks(root, ids, blockSizeTokens);
      });
      chains.set(cacheModel, chainsOfModel);
      for (const chain of chainsOfModel) for (const index of indexes) note(index, chain);
    }

    /** Blocks of different sizes are compared by the tokens that they cover. */
    function note(index: PrefixIndex, chain: BlockChain): void {
      for (const { depth, holders: ids } of index.match(chain)) {
        for (const id of ids) {
          const pod = holders.get(id)?.pod;
          if (pod === undefined) continue;
          const best = held.get(pod);
          if (best && best.depth * best.chain.blockSizeTokens >= depth * chain.blockSizeTokens) continue;
          held.set(pod, { depth, chain });
        }
      }
    }

    /** In the block size of this pod; in all sizes that its model has while its own is not known. */
    function chainsOf(pod: Pod): readonly BlockChain[] {
      const cacheModel = cacheModelOf(pod, model);
      const all = chains.get(cacheModel) ?? [];
      if (!engines || all.length === 1) return all;
      const ranks = holders.of(pod.name);
      const own = all.filter(chain =>
        ranks.some(rank => engines.catalog.uses(rank, cacheModel, chain.blockSizeTokens)),
      );
      return own.length > 0 ? own : all;
    }

    return {
      of: pod => {
        const best = held.get(pod.name);
        return best
          ? { matchedBlocks: best.depth, totalBlocks: best.chain.length }
          : { matchedBlocks: 0, totalBlocks: chainsOf(pod)[0]?.length ?? 0 };
      },
      remember: pod => {
        // Whether a name that no event has shown is an alias or an adapter is not known, and neither is what will be held.
        if (cacheModelOf(pod, model) !== model) return;
        const holder = holders.ensure(pod.name, ANY_RANK);
        for (const chain of chainsOf(pod)) history.store(holder, chain);
      },
    };
  };
}
