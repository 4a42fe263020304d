import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import {
  DEFAULT_TEXT_TOKENIZER_LIMITS,
  startTextTokenizer,
  type TextTokenizer,
  type TextTokenizerLimits,
  TokenizerLoadError,
  TokenizingError,
} from '../../../src/tokenizers/worker/text-tokenizer.ts';
import { addedToken, ofBytes, SMALL, splittingAt, VOCAB, withVocab } from '../../support/small-tokenizer.ts';

const NEVER = new AbortController().signal;
/** Takes for ever on many q's without a `b` behind; there are none in the texts that a tokenizer is tried with when it is loaded. */
const ENDLESS = splittingAt('(?:q+)+b');

describe('A text tokenizer on its thread', () => {
  let folder: string;
  const started: TextTokenizer[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tokenizer-'));
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map(tokenizer => tokenizer.close()));
  });

  after(() => rmSync(folder, { recursive: true }));

  function fileOf(content: unknown): string {
    const path = join(folder, 'tokenizer.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  async function start(path: string, limits: Partial<TextTokenizerLimits> = {}): Promise<TextTokenizer> {
    const files = { tokenizerJson: path, tokenizerConfig: undefined, modelConfig: undefined };
    const tokenizer = await startTextTokenizer(files, { ...DEFAULT_TEXT_TOKENIZER_LIMITS, ...limits });
    started.push(tokenizer);
    return tokenizer;
  }

  async function refusalOf(path: string, limits: Partial<TextTokenizerLimits> = {}) {
    const error = await start(path, limits).then(
      () => assert.fail('it was loaded'),
      (reason: unknown) => reason,
    );
    assert.instanceOf(error, TokenizerLoadError);
    return error as TokenizerLoadError;
  }

  async function failureOf(work: Promise<unknown>) {
    const error = await work.then(
      () => assert.fail('it was tokenized'),
      (reason: unknown) => reason,
    );
    assert.instanceOf(error, TokenizingError);
    return (error as TokenizingError).kind;
  }

  it('gives the ids of each text, and what special tokens stand around it', async () => {
    const tokenizer = await start(fileOf(SMALL));
    const ids = await tokenizer.encode(['abab a', '', 'b<end>ab?'], NEVER);
    assert.deepEqual(
      ids.map(some => [...some]),
      [[3, 5], [], [1, 7, 2]],
    );
    assert.deepEqual([[...tokenizer.before], [...tokenizer.after]], [[7, 6], []]);
    assert.equal(tokenizer.segments, 'independent');
    assert.deepEqual(
      [0, 6, 12].map(from => tokenizer.splitter.endOfBoundary('a<end>b<end>', from)),
      [6, 12, -1],
    );
  });

  it('answers calls that come together in their order', async () => {
    const tokenizer = await start(fileOf(SMALL));
    const all = await Promise.all(['a', 'b', 'ab'].map(text => tokenizer.encode([text], NEVER)));
    assert.deepEqual(
      all.map(([ids]) => [...ids!]),
      [[0], [1], [2]],
    );
  });

  it('refuses half of a surrogate pair, and goes on', async () => {
    const tokenizer = await start(fileOf(SMALL));
    assert.equal(await failureOf(tokenizer.encode(['a\ud800'], NEVER)), 'invalid_text');
    assert.deepEqual([...(await tokenizer.encode(['a'], NEVER))[0]!], [0]);
  });

  it('ends with a text that takes too long, and all calls with it', async () => {
    const tokenizer = await start(fileOf(ENDLESS), { encodeTimeoutMs: 50 });
    const endless = tokenizer.encode(['q'.repeat(60)], NEVER);
    const behind = tokenizer.encode(['b'], NEVER);
    assert.deepEqual(await Promise.all([failureOf(endless), failureOf(behind)]), ['too_slow', 'too_slow']);
    assert.equal(await failureOf(tokenizer.encode(['b'], NEVER)), 'too_slow');
  });

  it('tokenizes short texts while its thread is busy, and leaves it others', async () => {
    const tokenizer = await start(
      fileOf({ ...ofBytes(String.raw`\p{N}{1,3}`), normalizer: { type: 'NFC' } }),
    );
    const done: string[] = [];
    const call = async (name: string, text: string) => {
      const [ids] = await tokenizer.encode([text], NEVER);
      done.push(name);
      return [...ids!];
    };
    const long = call('long', 'ab'.repeat(2_001));
    const marked = call('marked', `b${'\u0301'.repeat(200)}b`);
    assert.deepEqual(await call('short', 'ababa'), [3, 0]);
    assert.deepEqual(done, ['short']);
    assert.deepEqual(await long, Array(1_000).fill(3).concat([2]));
    assert.deepEqual(await marked, [1, 1]);
    await tokenizer.close();
    assert.equal(await failureOf(tokenizer.encode(['a'], NEVER)), 'ended');
  });

  it('leaves short texts to its thread where a pattern might take for ever', async () => {
    const tokenizer = await start(fileOf(ofBytes('(?:q+)+b')), { encodeTimeoutMs: 50 });
    assert.equal(await failureOf(tokenizer.encode(['q'.repeat(60)], NEVER)), 'too_slow');
  });

  it('rejects a call that is aborted, at once, and answers those behind it', async () => {
    const tokenizer = await start(fileOf(SMALL));
    const abort = new AbortController();
    const first = tokenizer.encode(['a'], abort.signal);
    const second = tokenizer.encode(['ab'], abort.signal);
    const third = tokenizer.encode(['b'], NEVER);
    const reason = new Error('no longer wanted');
    abort.abort(reason);
    assert.deepEqual(await Promise.all([first, second].map(call => call.catch(error => error))), [
      reason,
      reason,
    ]);
    assert.deepEqual([...(await third)[0]!], [1]);
    assert.equal(await tokenizer.encode(['a'], abort.signal).catch(error => error), reason);
  });

  it('rejects calls once it is closed, also those that wait', async () => {
    const tokenizer = await start(fileOf(SMALL));
    const waiting = failureOf(tokenizer.encode(['a'], NEVER));
    await tokenizer.close();
    assert.equal(await waiting, 'ended');
    assert.equal(await failureOf(tokenizer.encode(['a'], NEVER)), 'ended');
    await tokenizer.close();
  });

  it('takes names of prototypes, tokens that are empty and merges in circles as what they are', async () => {
    const vocab = JSON.parse('{"__proto__":0,"constructor":1,"a":2,"aa":3,"toString":4,"c":5}') as object;
    const tokenizer = await start(
      fileOf(
        JSON.stringify({
          ...SMALL,
          added_tokens: [addedToken('', 8), addedToken('__proto__', 9), addedToken('valueOf', 10)],
          model: {
            type: 'BPE',
            vocab,
            merges: [
              ['a', 'a'],
              ['a', 'a'],
            ],
          },
        }),
      ),
    );
    const [ids] = await tokenizer.encode(['__proto__aaavalueOfc'], NEVER);
    assert.deepEqual([...ids!], [0, 3, 2, 6, 5]);
  });

  it('says why a file is refused', async () => {
    const refusals = [{ ...SMALL, model: { type: 'Unigram' } }, {}];
    const kinds = [];
    for (const content of refusals) kinds.push((await refusalOf(fileOf(content))).kind);
    assert.deepEqual(kinds, ['unsupported', 'invalid']);
  });

  it('refuses what is no file, or too long, or not there', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    assert.match((await refusalOf(pipe)).message, /no file/);
    assert.match((await refusalOf(folder)).message, /no file/);
    assert.match((await refusalOf(join(folder, 'none'))).message, /ENOENT/);
    assert.equal((await refusalOf(fileOf(SMALL), { maxBytes: 10 })).kind, 'too_large');
  });

  it('refuses a file that takes too long to load, or too much memory', async () => {
    const many = Object.fromEntries(Array.from({ length: 200_000 }, (_, id) => [`token-${id}`, id + 10]));
    const large = fileOf(withVocab({ ...VOCAB, ...many }));
    assert.equal((await refusalOf(large, { loadTimeoutMs: 1 })).kind, 'too_slow');
    const endless = fileOf(splittingAt('(?:a+)+b'));
    assert.equal((await refusalOf(endless, { loadTimeoutMs: 300 })).kind, 'too_slow');
    assert.equal(
      (await refusalOf(fileOf(withVocab({ ...VOCAB, ...many })), { maxHeapMb: 8 })).kind,
      'out_of_memory',
    );
  });
});
