/** Where models' tokenizer files come from, as it is configured. */
import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import type { Logger } from '../ops/log/log.ts';
import { reportTokenizerFiles } from '../ops/tokenizer-files-report.ts';
import { createFileSource, type TokenizerFileSource } from '../tokenizers/files/file-source.ts';

/** undefined: the engines tokenize, and no files are looked for. */
export function createTokenizerFiles(config: Config, log: Logger): TokenizerFileSource | undefined {
  if (config.tokenizer === 'engine') return undefined;
  const { tokenizerDir } = config;
  return createFileSource({
    directory: tokenizerDir === undefined ? undefined : resolve(tokenizerDir),
    downloads: undefined,
    onFact: reportTokenizerFiles(log, otherwise(config)),
  });
}

/** What follows for a model without files. */
function otherwise({ mode }: Config): string {
  switch (mode.kind) {
    case 'local_with_events':
      return 'its prompts are routed by load';
    case 'local':
      return 'its prompts are cut without them';
    default:
      return 'its engines are asked';
  }
}
