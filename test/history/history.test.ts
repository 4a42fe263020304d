import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { Command } from 'commander';
import fc from 'fast-check';
import { addHistoryCommand } from '../../src/commands/history.ts';
import type { ModelHistory } from '../../src/history/history.ts';
import { LogHistogram } from '../../src/history/log-histogram.ts';
import { readHistory } from '../../src/history/read-history.ts';
import { ReachableTokens } from '../../src/simulation/trace/reachable.ts';
import { traceFile } from '../../src/simulation/trace/trace-file.ts';
import { runCli } from '../support/cli.ts';

const ROUTED = { outcome: 'routed', model: 'demo', began: 1_000_000, block_tokens: 16, arm: 'routed' };

/** A request of 40 tokens. */
const line = (timestamp: number, ids: readonly number[], fields: object = {}) => ({
  ...{ timestamp, input_length: 40, hash_ids: ids, pod: 'a', reason: 'no_match', predicted_tokens: 0 },
  ...{ ...ROUTED, ...fields },
});

describe('warmroute history', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'history-'));
  });
  after(() => rm(folder, { recursive: true }));

  let files = 0;
  async function fileOf(lines: readonly object[]): Promise<string> {
    const path = join(folder, `${files++}.jsonl`);
    await writeFile(path, lines.map(each => `${JSON.stringify(each)}\n`).join(''));
    return path;
  }

  async function historyOf(lines: readonly object[], maxBlocks?: number): Promise<readonly ModelHistory[]> {
    const limits = maxBlocks === undefined ? {} : { maxBlocks };
    const reading = { model: undefined, top: 3, onNote: () => {}, ...limits };
    return (await readHistory([await fileOf(lines)], reading)).models;
  }

  /** Two prompts begin with 16 tokens that a third one has whole; one request has no tokens, one no pod. */
  const LINES = [
    line(0, [1, 2, 3]),
    line(2_000, [1, 4, 5], { predicted_tokens: 16, reason: 'prefix_match', first_byte_ms: 30 }),
    line(2_500, [1, 2, 3], {
      ...{ predicted_tokens: 32, reason: 'prefix_match', first_byte_ms: 10, pod: 'b', arm: 'control' },
      ...{ prompt_tokens: 41, cached_tokens: 32 },
    }),
    { ...ROUTED, timestamp: 2_600, pod: 'b', reason: 'no_prompt', arm: undefined },
    { ...ROUTED, timestamp: 2_700, model: undefined, outcome: 'rejected', error: 'unknown_model' },
  ];

  it('has what was hit, what could have been, and who served, model by model', async () => {
    const [demo, unnamed] = await historyOf(LINES);
    assert.deepInclude(demo, {
      ...{ model: 'demo', requests: 4, prompts: 3, promptTokens: 120 },
      outcomes: [{ name: 'routed', requests: 4 }],
      // 16, and all but the last token.
      reachableTokens: 16 + 39,
      predicted: { requests: 3, promptTokens: 120, cachedTokens: 48, hitRate: 0.4 },
      reported: { requests: 1, promptTokens: 41, cachedTokens: 32, hitRate: 32 / 41 },
      arms: [
        { arm: 'routed', requests: 2, promptTokens: 80, cachedTokens: 16, hitRate: 0.2 },
        { arm: 'control', requests: 1, promptTokens: 40, cachedTokens: 32, hitRate: 0.8 },
      ],
      pods: [
        { pod: 'a', requests: 2, promptTokens: 80, computedTokens: 64 },
        { pod: 'b', requests: 2, promptTokens: 40, computedTokens: 8 },
      ],
      imbalance: 64 / 36,
      forgottenBlocks: 0,
    });
    assert.deepEqual(
      demo!.reasons.map(({ reason, requests, firstBytes }) => [reason, requests, firstBytes]),
      [
        ['prefix_match', 2, 2],
        ['no_match', 1, 0],
        ['no_prompt', 1, 0],
      ],
    );
    const [match] = demo!.reasons;
    assert.approximately(match!.firstByteP50Ms, 10, 0.5);
    assert.approximately(match!.firstByteP99Ms, 30, 1.5);
    assert.deepInclude(unnamed, { model: '(no model)', requests: 1, prompts: 0, hotPrefixes: [] });
    assert.deepEqual(unnamed!.reasons[0]?.reason, 'unknown_model');
  });

  it('has when tokens were used again, and how many came in between', async () => {
    const [demo] = await historyOf(LINES);
    const { overTime, spanMs, reuse } = demo!;
    assert.equal(spanMs, 1_000);
    assert.deepEqual(
      overTime.map(({ startMs, requests, reachableTokens }) => [startMs, requests, reachableTokens]),
      [
        [0, 1, 0],
        [1_000, 0, 0],
        [2_000, 3, 55],
      ],
    );
    assert.equal(reuse.tokens, 16 + 40);
    // 16 after half a second; 16 after two, and 24 after two and a half.
    assert.deepEqual(
      reuse.bySinceMs.map(([, tokens]) => tokens),
      [16, 32, 56],
    );
    // What the first had is there after no new token, or after the 24 of the second.
    assert.deepEqual(
      reuse.byNewTokens.map(([, tokens]) => tokens),
      [32, 56],
    );
  });

  it('names the prefixes that saved the most, by where they end', async () => {
    const [demo] = await historyOf(LINES);
    assert.deepEqual(demo!.hotPrefixes, [
      { id: 3, tokens: 40, requests: 1, savedTokens: 39, pods: ['b'] },
      { id: 1, tokens: 16, requests: 1, savedTokens: 16, pods: ['a'] },
    ]);
  });

  it('takes files in the order in which they began, whichever is named first', async () => {
    const later = await fileOf([line(0, [9, 8, 7], { began: 1_060_000 })]);
    const earlier = await fileOf([line(0, [1, 2, 3])]);
    const { models } = await readHistory([later, earlier], { model: undefined, top: 1, onNote: () => {} });
    const { overTime, spanMs } = models[0]!;
    assert.equal(overTime.at(-1)!.startMs, spanMs * Math.floor(60_000 / spanMs));
    assert.isAtMost(overTime.length, 24);
  });

  it('remembers so many blocks, the beginnings of prompts longest, and says how many it forgot', async () => {
    const [demo] = await historyOf(
      [line(0, [1, 2, 3]), line(1, [4, 5, 6]), line(2, [4, 5, 6]), line(3, [1, 2, 3])],
      4,
    );
    // Of the first prompt its beginning is left, of the second all.
    assert.equal(demo!.reachableTokens, 39 + 16);
    assert.isAbove(demo!.forgottenBlocks, 0);
  });

  it('reaches what the simulator reaches, of any trace', async () => {
    const request = fc.record({
      first: fc.nat(3),
      second: fc.nat(3),
      tokens: fc.integer({ min: 1, max: 48 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 30 }), async drawn => {
        const lines = drawn.map(({ first, second, tokens }, i) => {
          const ids = [first, 10 + 4 * first + second, 100 + 4 * first + second];
          return line(i, ids.slice(0, Math.ceil(tokens / 16)), { input_length: tokens });
        });
        const path = await fileOf(lines);
        const reachable = new ReachableTokens(1);
        let sum = 0;
        for await (const each of traceFile(path)) sum += reachable.add(each);
        const { models } = await readHistory([path], { model: undefined, top: 0, onNote: () => {} });
        assert.equal(models[0]!.reachableTokens, sum);
      }),
      { numRuns: 30 },
    );
  });

  async function outputOf(
    args: readonly string[],
  ): Promise<{ readonly out: string; readonly notes: string }> {
    const said = { out: '', notes: '' };
    const program = new Command().exitOverride();
    const to = (where: 'out' | 'notes') => (text: string) => {
      said[where] += text;
    };
    addHistoryCommand(program, new AbortController().signal, to('out'), to('notes'));
    await program.parseAsync(['node', 'warmroute', 'history', ...args]);
    return said;
  }

  it('prints tables, and says what it left out', async () => {
    const path = await fileOf(LINES);
    await writeFile(path, `${await readFile(path, 'utf8')}{"times`);
    const { out, notes } = await outputOf([path]);
    for (const expected of [
      /\| demo +\| +4 \| +3 \| +120 \| +40.0 % \| +78.0 % \| +45.8 % \| +1.78 \|/,
      /# demo\n\nOutcomes/,
      /\| prefix_match \| +2 \| +2 \| +\d+ ms \| +\d+ ms \|/,
      /\| control \| +1 \| +40 \| +80.0 % \|/,
      /\| 3 +\| +40 \| +1 \| +39 \| +b \|/,
    ])
      assert.match(out, expected);
    assert.include(notes, 'was not written to its end');
  });

  it('prints JSON, of one model where it is asked for', async () => {
    const path = await fileOf([...LINES, line(3_000, [7, 8, 9], { model: 'other' })]);
    const { models } = JSON.parse((await outputOf([path, '--json', '--model', 'other'])).out);
    assert.deepInclude(models, { ...models[0], model: 'other', requests: 1 });
    assert.lengthOf(models, 1);
  });

  it('writes plots and a page, in which nothing of a file is markup', async () => {
    const evil = '<script>alert(1)</script>\u001b[31m';
    const fields = { model: evil, pod: evil, reason: evil, outcome: evil, arm: evil };
    const path = await fileOf([...LINES, line(3_000, [7, 8, 9], fields), line(4_000, [7, 8, 9], fields)]);
    const out = join(folder, 'out');
    const { out: printed } = await outputOf([path, '--out', out]);
    assert.sameMembers(await readdir(out), [
      ...['history.json', 'index.html', 'reuse-time.svg', 'reuse-cache.svg'],
      ...['over-time-1.svg', 'pods-1.svg', 'over-time-2.svg', 'pods-2.svg', 'over-time-3.svg'],
    ]);
    const page = await readFile(join(out, 'index.html'), 'utf8');
    assert.include(page, '&lt;script&gt;');
    for (const name of (await readdir(out)).filter(each => !each.endsWith('.json')))
      assert.notInclude(await readFile(join(out, name), 'utf8'), '<script', name);
    assert.notInclude(printed, '\u001b');
  });

  it('is a command of the program, which needs a file with requests', async () => {
    const { stdout, code } = await runCli(['history', await fileOf(LINES)]);
    assert.deepEqual([code, stdout.includes('| demo')], [0, true]);
    const empty = await runCli(['history', await fileOf([])]);
    assert.deepEqual([empty.code, /have no requests/.test(empty.stderr)], [1, true]);
  });

  it('bears what no router has written', async () => {
    const value = fc.oneof(fc.jsonValue(), fc.double(), fc.constantFrom(-1, 1e300, '', null));
    const names = [
      'began',
      'model',
      'pod',
      'reason',
      'arm',
      'predicted_tokens',
      'first_byte_ms',
      'prompt_tokens',
    ];
    const fields = fc.dictionary(fc.constantFrom(...names, 'cached_tokens', 'outcome'), value);
    await fc.assert(
      fc.asyncProperty(fields, async given => {
        const [first] = await historyOf([
          line(Number.MAX_SAFE_INTEGER - 1, [1, 2, 3], { output_length: 1, ...given }),
        ]);
        assert.equal(first!.requests, 1);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a logarithmic histogram', () => {
  it('has quantiles that are a few per cent off', () => {
    const histogram = new LogHistogram(16);
    assert.equal(histogram.quantile(0.5), 0);
    for (let i = 1; i <= 1_000; i++) histogram.add(i);
    assert.approximately(histogram.quantile(0.5), 500, 25);
    assert.approximately(histogram.quantile(0.99), 990, 50);
    histogram.add(0);
    assert.equal(histogram.quantile(0), 1);
    assert.equal(histogram.total, 1_001);
  });
});
