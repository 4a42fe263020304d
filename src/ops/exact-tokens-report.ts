/** What computing tokens in process comes to, as metrics and log lines. */
import type { ExactTokensFact } from '../tokenizers/exact-tokenizer.ts';
import type { LoadFact } from '../tokenizers/loaded-models.ts';
import type { ParityFact, ParityRecord } from '../tokenizers/parity/parity-guard.ts';
import type { Instruments } from './instruments/instruments.ts';
import type { Logger } from './log/log.ts';

type Ours = Pick<
  Instruments,
  | 'exactTokens'
  | 'exactTokensSeconds'
  | 'promptCharacters'
  | 'tokenComparisons'
  | 'tokensTrusted'
  | 'segmentBytes'
>;

export interface ExactTokensReport {
  readonly tokens: (fact: ExactTokensFact) => void;
  readonly loading: (fact: LoadFact) => void;
  readonly parity: (fact: ParityFact) => void;
}

/** @param otherwise what follows for what is not tokenized here, as `its engines are asked` */
export function reportExactTokens(
  instruments: Ours,
  log: Logger,
  otherwise: string,
  state: () => { readonly records: readonly ParityRecord[]; readonly segmentBytes: number },
): ExactTokensReport {
  instruments.segmentBytes.onScrape(set => set(state().segmentBytes));
  instruments.tokensTrusted.onScrape(set => {
    for (const { model, endpoint, state: parity } of state().records)
      set(Number(parity.kind === 'trusted'), { model, endpoint });
  });

  return {
    tokens(fact) {
      if (fact.kind === 'left_to_engine') {
        instruments.exactTokens.add(1, { how: fact.why });
        return;
      }
      instruments.exactTokens.add(1, { how: 'computed' });
      instruments.exactTokensSeconds.record(fact.durationMs / 1_000);
      instruments.promptCharacters.add(fact.newCharacters, { from: 'tokenizer' });
      instruments.promptCharacters.add(fact.characters - fact.newCharacters, { from: 'segments' });
    },

    loading(fact) {
      const { model } = fact;
      switch (fact.kind) {
        case 'loaded': {
          const { files, segments, chats, tookMs } = fact;
          const fields = { model, directory: files.directory, segments, tookMs: Math.round(tookMs) };
          if (chats === undefined) log.info(fields, 'tokenizer loaded');
          else
            log.warn(
              { ...fields, why: chats },
              `tokenizer loaded; chats of this model cannot be rendered here: ${otherwise}`,
            );
          break;
        }
        case 'unusable':
          log.warn(
            { model, why: fact.why },
            `these tokenizer files cannot be used: ${otherwise} (docs/tokenizing.md)`,
          );
          break;
        case 'ended':
          log.error(
            { model, why: fact.why },
            `the tokenizer of this model has ended, and is loaded again in ten minutes: ${otherwise}`,
          );
          break;
        case 'unloaded':
          log.info({ model }, 'tokenizer unloaded');
      }
    },

    parity(fact) {
      const { model, endpoint } = fact;
      switch (fact.kind) {
        case 'compared':
          instruments.tokenComparisons.add(1, { model, endpoint, outcome: fact.outcome });
          break;
        case 'trusted':
          if (fact.by === 'comparison')
            log.info({ model, endpoint }, 'tokens computed here are the engine’s, and are used');
          else
            log.warn(
              { model, endpoint },
              'tokens computed here are used without having been compared: engines are not asked, or do not tell their tokens of such requests. Their KV-cache events are compared with what is predicted',
            );
          break;
        case 'doubted':
          if (fact.difference === undefined)
            log.warn(
              { model, endpoint },
              'engines do not announce what was predicted by the tokens computed here: they are not used for ten minutes',
            );
          else {
            const { position, ours, engines } = fact.difference;
            log.warn(
              { model, endpoint, position, ours, engines },
              'tokens computed here differ from the engine’s, and are not used for ten minutes: mount the tokenizer files and the chat template that the engine has',
            );
          }
      }
    },
  };
}
