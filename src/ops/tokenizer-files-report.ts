/** What the log has of models' tokenizer files: each state once, and nothing per request. */
import type { FilesFact } from '../tokenizers/files/file-source.ts';
import { describeChat, describeFilesProblem } from '../tokenizers/files/problem.ts';
import type { HubProblem } from '../tokenizers/files/tokenizer-files.ts';
import type { Logger } from './log/log.ts';

export interface TokenizerFilesReport {
  hear(fact: FilesFact): void;
  /** Files that were downloaded earlier are used, since the hub does not give any. */
  fellBack(model: string, problem: HubProblem): void;
}

/** @param otherwise what follows for a model without files, as `its engines are asked` */
export function reportTokenizerFiles(log: Logger, otherwise: string): TokenizerFilesReport {
  return {
    hear({ model, state }) {
      const name = JSON.stringify(model);
      if (state.kind === 'broken') {
        const { problem } = state;
        const why = describeFilesProblem(problem);
        log.warn({ model, problem: problem.kind }, `no tokenizer files of ${name}, ${otherwise}: ${why}`);
        return;
      }
      const { directory, fingerprint, chat } = state.files;
      const version = fingerprint.slice(0, 12);
      log.info({ model, directory, version, chat: chat.kind }, `tokenizer files of ${name} are read`);
      const only = describeChat(chat);
      if (only !== undefined) log.warn({ model }, `of ${name}: ${only}`);
    },
    fellBack(model, problem) {
      log.warn(
        { model, problem: problem.kind },
        `tokenizer files of ${JSON.stringify(model)} are those of the last download: ${describeFilesProblem(problem)}`,
      );
    },
  };
}
