/** What the log has of models' tokenizer files: each state once, and nothing per request. */
import type { FilesFact } from '../tokenizers/files/file-source.ts';
import { describeChat, describeFilesProblem } from '../tokenizers/files/problem.ts';
import type { Logger } from './log/log.ts';

/** @param otherwise what follows for a model without files, as `the engine is asked` */
export function reportTokenizerFiles(log: Logger, otherwise: string): (fact: FilesFact) => void {
  return ({ model, state }) => {
    if (state.kind === 'broken') {
      const { problem } = state;
      log.warn(
        { model, problem: problem.kind },
        `no tokenizer files of ${JSON.stringify(model)}, ${otherwise}: ${describeFilesProblem(problem)}`,
      );
      return;
    }
    const { directory, fingerprint, chat } = state.files;
    log.info(
      { model, directory, fingerprint: fingerprint.slice(0, 12), chat: chat.kind },
      'tokenizer files are read',
    );
    const only = describeChat(chat);
    if (only !== undefined) log.warn({ model }, `of ${JSON.stringify(model)}: ${only}`);
  };
}
