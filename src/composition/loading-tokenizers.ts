/** How tokenizers and chat templates are loaded, by the router and by `warmroute tokens`. */
import { monotonicClock, realSleep } from '../time.ts';
import type { TokenizerFileSource } from '../tokenizers/files/file-source.ts';
import type { TokenizerFiles } from '../tokenizers/files/tokenizer-files.ts';
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

export function startTokenizer(
  { tokenizerJson, tokenizerConfig, modelConfig }: TokenizerFiles,
  signal: AbortSignal,
): Promise<TextTokenizer> {
  return startTextTokenizer(
    { tokenizerJson, tokenizerConfig, modelConfig },
    DEFAULT_TEXT_TOKENIZER_LIMITS,
    signal,
  );
}
