import { assert } from 'chai';
import type { FilesState } from '../../src/tokenizers/files/tokenizer-files.ts';
import { LoadedModels, type LoadFact } from '../../src/tokenizers/loaded-models.ts';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import type { TextTokenizer } from '../../src/tokenizers/worker/text-tokenizer.ts';
import { aPod } from '../support/builders.ts';
import { Inbox } from '../support/inbox.ts';

const TOKENIZER: TextTokenizer = {
  ...{ splitter: { endOfBoundary: () => -1 }, segments: 'whole' },
  ...{ before: new Uint32Array(), after: new Uint32Array() },
  encode: async texts => texts.map(() => new Uint32Array()),
  close: async () => {},
};

/** Files of all models, and starts that wait for the test. */
function loading() {
  const files = new Map<string, FilesState>();
  const listeners = new Set<(model: string) => void>();
  const facts = new Inbox<LoadFact>();
  const starts = new Inbox<{
    readonly model: string;
    readonly done: PromiseWithResolvers<TextTokenizer>;
    readonly signal: AbortSignal;
  }>();
  const models = new LoadedModels({
    files: {
      of: model => files.get(model) ?? { kind: 'none' },
      retain: () => {},
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      close: async () => {},
    },
    start({ model }, signal) {
      const done = Promise.withResolvers<TextTokenizer>();
      signal.addEventListener('abort', () => done.reject(signal.reason));
      starts.push({ model, done, signal });
      return done.promise;
    },
    compile() {
      throw new Error('this template is none');
    },
    ...{ cache: new SegmentCache(0), onFact: facts.push, now: () => 0, sleep: async () => {} },
  });
  const become = (model: string, fingerprint: string) => {
    const chat = { kind: 'template', default: 'x', toolUse: undefined } as const;
    const configs = { tokenizerConfig: undefined, modelConfig: undefined, specialTokens: {} };
    files.set(model, {
      kind: 'ready',
      files: { model, directory: '/d', tokenizerJson: '/d/t', ...configs, chat, fingerprint },
    });
    for (const tell of listeners) tell(model);
  };
  return {
    models,
    files,
    facts,
    starts,
    become,
    gone(model: string) {
      files.delete(model);
      for (const tell of listeners) tell(model);
    },
  };
}

describe('loaded tokenizers', () => {
  it('are loaded one at a time', async () => {
    const { models, starts, facts, become } = loading();
    for (const model of ['a', 'b', 'c']) become(model, '1');
    const first = await starts.until(({ model }) => model === 'a');
    assert.lengthOf(starts.all, 1);
    assert.equal(models.stateOf('c').kind, 'loading');
    first.done.resolve(TOKENIZER);
    const second = await starts.until(({ model }) => model === 'b');
    second.done.reject(new Error('it is none'));
    await starts.until(({ model }) => model === 'c');
    assert.deepInclude(await facts.until(({ model }) => model === 'b'), {
      kind: 'unusable',
      why: 'it is none',
    });
    assert.isDefined(models.of('a'));
    await models.close();
    assert.isTrue(starts.all[2]!.signal.aborted);
  });

  it('are those of the newest files, whichever were loaded first', async () => {
    const { models, starts, facts, become } = loading();
    become('a', '1');
    become('a', '2');
    const newest = await starts.until(({ signal }) => !signal.aborted);
    newest.done.resolve(TOKENIZER);
    const loaded = await facts.until(({ kind }) => kind === 'loaded');
    assert(loaded.kind === 'loaded');
    assert.equal(loaded.files.fingerprint, '2');
    assert.include(loaded.chats, 'this template is none', 'completions are tokenized all the same');
    assert.lengthOf(facts.all, 1);
    await models.close();
  });

  it('go with their files, and with their model', async () => {
    const { models, starts, facts, become, gone } = loading();
    for (const model of ['a', 'b']) become(model, '1');
    for (const model of ['a', 'b'])
      (await starts.until(each => each.model === model)).done.resolve(TOKENIZER);
    await facts.until(({ kind, model }) => kind === 'loaded' && model === 'b');
    gone('a');
    assert.isUndefined(models.of('a'));
    models.retain([aPod({ model: 'other' })]);
    assert.isUndefined(models.of('b'));
    assert.deepEqual(
      facts.all.filter(({ kind }) => kind === 'unloaded').map(({ model }) => model),
      ['a', 'b'],
    );
    await models.close();
  });
});
