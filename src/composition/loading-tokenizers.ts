/** How tokenizers and chat templates are loaded, by the router and by `warmroute tokens`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicClock, realSleep } from '../time.ts';
import type { TokenizerFileSource } from '../tokenizers/files/file-source.ts';
import { MODEL_CONFIG, type TokenizerFiles } from '../tokenizers/files/tokenizer-files.ts';
import { LoadedModels, type LoadFact } from '../tokenizers/loaded-models.ts';
import type { SegmentCache } from '../tokenizers/segments/segment-cache.ts';
import { compileTemplate } from '../tokenizers/template/template.ts';
import {
  DEFAULT_TEXT_TOKENIZER_LIMITS,
  startTextTokenizer,
  type TextTokenizer,
} from '../tokenizers/worker/text-tokenizer.ts';

export function loadModels(
  files: TokenizerFileSource,
  cache: SegmentCache,
  onFact: (fact: LoadFact) => void,
): LoadedModels {
  return new LoadedModels({
    ...{ files, cache, onFact, now: monotonicClock, sleep: realSleep },
    compile: compileBoundedTemplate,
    start: startTokenizer,
  });
}

/**
 * Of one rendering, which is done between requests: a prompt of a million characters takes some 300,000 steps, and these at most some
 * 20 ms where a template is made to be slow.
 */
const TEMPLATE_LIMITS = { steps: 300_000, characters: 16 * 1024 * 1024 };

export function compileBoundedTemplate(source: string): ReturnType<typeof compileTemplate> {
  return compileTemplate(source, { limits: TEMPLATE_LIMITS });
}

export async function startTokenizer(
  { directory, tokenizerJson, tokenizerConfig }: TokenizerFiles,
  signal: AbortSignal,
): Promise<TextTokenizer> {
  const read = (path: string) => readFile(path, 'utf8');
  const config = tokenizerConfig === undefined ? undefined : await read(tokenizerConfig);
  const modelConfig = await read(join(directory, MODEL_CONFIG)).catch(() => undefined);
  return startTextTokenizer(
    { tokenizerJson, tokenizerConfig: config, modelConfig },
    DEFAULT_TEXT_TOKENIZER_LIMITS,
    signal,
  );
}
