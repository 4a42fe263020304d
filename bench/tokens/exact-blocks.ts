/** A model's tokenizer as the server has it, from the body of a request to the hashes of its blocks. */
import { compileBoundedTemplate, startTokenizer } from '../../src/composition/loading-tokenizers.ts';
import type { BlockChain, Pod } from '../../src/domain.ts';
import { BlockHasher, chainWithKept } from '../../src/prompt/blocks.ts';
import { KnownBodies } from '../../src/prompt/known/known-bodies.ts';
import { parsePrompt } from '../../src/prompt/request.ts';
import { REQUESTS } from '../../src/settings/requests.ts';
import { TOKENIZERS } from '../../src/settings/tokenizers.ts';
import { monotonicClock, realSleep } from '../../src/time.ts';
import { createFileSource } from '../../src/tokenizers/files/file-source.ts';
import { describeFilesProblem } from '../../src/tokenizers/files/problem.ts';
import type { TokenizerFiles } from '../../src/tokenizers/files/tokenizer-files.ts';
import { LoadedModels } from '../../src/tokenizers/loaded-models.ts';
import type { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { BLOCK_SIZE_TOKENS } from '../support/trace.ts';
import { MODEL, PATH } from './conversation.ts';

const HASHER = new BlockHasher(1);
const ROOT = HASHER.root(
  { space: 'engine', model: MODEL, salt: '' },
  { sizeTokens: BLOCK_SIZE_TOKENS, lookaheadTokens: 0 },
);

export interface ExactBlocks {
  readonly ids: Uint32Array;
  readonly chain: BlockChain;
  readonly characters: number;
  readonly newCharacters: number;
}

export interface ExactModel {
  readonly files: TokenizerFiles;
  /** What a request's tokens and blocks are. Rejects where they are not computed here. */
  blocksOf(body: Buffer): Promise<ExactBlocks>;
  close(): Promise<void>;
}

/**
 * @param directory with the tokenizer files
 * @param cache of what is tokenized
 */
export async function loadModel(directory: string, cache: SegmentCache): Promise<ExactModel> {
  const loaded = Promise.withResolvers<TokenizerFiles>();
  let ended = '';
  const files = createFileSource({
    ...{ directory: undefined, downloads: undefined },
    onFact(fact) {
      if (fact.kind === 'broken')
        loaded.reject(new Error(`${directory}: ${describeFilesProblem(fact.state.problem)}`));
    },
  });
  const models = new LoadedModels({
    ...{ files, cache, start: startTokenizer, compile: compileBoundedTemplate },
    ...{ now: monotonicClock, sleep: realSleep },
    onFact(fact) {
      if (fact.kind === 'loaded' && fact.chats === undefined) loaded.resolve(fact.files);
      const why = `${fact.kind}: ${'why' in fact ? fact.why : 'no chats'}`;
      if (fact.kind === 'ended') ended = why;
      loaded.reject(new Error(`${directory}: ${why}`));
    },
  });
  const pod: Pod = {
    ...{ name: 'pod', ip: '127.0.0.1', port: 1, model: MODEL, aliases: [], labels: {} },
    ...{ kvEvents: { kind: 'none' }, tokenizer: { kind: 'directory', path: directory } },
  };
  models.retain([pod]);
  const bodies = new KnownBodies(Number(REQUESTS.knownBodiesBytes.fallback));
  const found = await loaded.promise;
  const model = models.of(MODEL)!;
  return {
    files: found,
    async blocksOf(body) {
      const parsed = parsePrompt(PATH, 'application/json', body, undefined, bodies);
      if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.error));
      const tokens = await model.tokensOf(parsed.prompt);
      if (tokens.kind === 'none') throw new Error(`not tokenized: ${tokens.why} ${ended}`);
      const { ids, chains, characters, newCharacters } = tokens;
      const chain =
        chains === undefined
          ? HASHER.chain(ROOT, ids, BLOCK_SIZE_TOKENS)
          : chainWithKept(HASHER, ROOT, ids, BLOCK_SIZE_TOKENS, chains);
      return { ids, chain, characters, newCharacters };
    },
    close: () => models.close(),
  };
}

/** What `WARMROUTE_TOKENIZER_SEGMENTS_BYTES` is where nobody sets it. */
export const DEFAULT_SEGMENTS_BYTES = Number(TOKENIZERS.tokenizerSegmentsBytes.fallback);
