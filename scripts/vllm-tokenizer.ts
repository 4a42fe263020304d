/** A model's tokenizer as `serve` has it, without the rest of it. */
import { resolve } from 'node:path';
import { loadModels } from '../src/composition/loading-tokenizers.ts';
import type { Pod } from '../src/domain.ts';
import { createFileSource } from '../src/tokenizers/files/file-source.ts';
import type { LoadFact } from '../src/tokenizers/loaded-models.ts';
import type { ModelTokenizer } from '../src/tokenizers/model-tokenizer.ts';
import { SegmentCache } from '../src/tokenizers/segments/segment-cache.ts';

const CACHE_BYTES = 64 << 20;

export interface OneTokenizer {
  readonly tokenizer: ModelTokenizer;
  /** Why its chats are left to the engine; undefined: they are not. */
  readonly chats: string | undefined;
  close(): Promise<void>;
}

/** Of the files in a directory. Rejects with what says why there is none. */
export async function loadTokenizer(directory: string): Promise<OneTokenizer> {
  const model = 'model';
  const { promise: loaded, resolve: hear, reject } = Promise.withResolvers<LoadFact>();
  const files = createFileSource({
    ...{ directory: undefined, downloads: undefined },
    onFact: fact => {
      if (fact.kind === 'broken') reject(new Error(`${directory}: ${JSON.stringify(fact.state.problem)}`));
    },
  });
  const models = loadModels(files, new SegmentCache(CACHE_BYTES), hear);
  const tokenizer = { kind: 'directory', path: resolve(directory) } as const;
  const pod: Pod = {
    ...{ name: 'pod', ip: '127.0.0.1', port: 1, model, aliases: [], labels: {}, tokenizer },
    kvEvents: { kind: 'none' },
  };
  try {
    models.retain([pod]);
    const fact = await loaded;
    if (fact.kind !== 'loaded') throw new Error(`${directory}: ${'why' in fact ? fact.why : fact.kind}`);
    return { tokenizer: models.of(model)!, chats: fact.chats, close: () => models.close() };
  } catch (error) {
    await models.close();
    throw error;
  }
}
