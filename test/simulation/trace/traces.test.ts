import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import { atLoad, merged } from '../../../src/simulation/trace/merged.ts';
import { writeGenerated, writePrompt } from '../../../src/simulation/trace/prompt-tokens.ts';
import { ReachableTokens } from '../../../src/simulation/trace/reachable.ts';
import { traceFile, traceFiles } from '../../../src/simulation/trace/trace-file.ts';
import type { Trace, TraceRequest } from '../../../src/simulation/trace/trace-request.ts';

const ALL = { model: undefined, outputTokens: 256, onNote: () => {} };

describe('a trace file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trace-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function fileOf(text: string): Promise<string> {
    const path = join(folder, 'trace.jsonl');
    await writeFile(path, text);
    return path;
  }

  it('is read from the beginning each time, blank lines and a missing last line end aside', async () => {
    const trace = traceFile(await fileOf(`${lineAt(1)}\n\n${lineAt(5)}\r\n${lineAt(5)}`));
    for (let i = 0; i < 2; i++) assert.deepEqual(await timesOf(trace), [1, 5, 5]);
  });

  it('is read across the pieces that the system gives', async () => {
    const times = Array.from({ length: 5_000 }, (_, i) => i);
    assert.deepEqual(await timesOf(traceFile(await fileOf(times.map(lineAt).join('\n')))), times);
  });

  it('says which line is wrong', async () => {
    const path = await fileOf(`${lineAt(1)}\n{}\n`);
    await rejects(timesOf(traceFile(path)), `${path}, line 2: timestamp must be`);
  });

  it('says where the order is wrong', async () => {
    const path = await fileOf(`${lineAt(7)}\n${lineAt(3)}\n`);
    await rejects(
      timesOf(traceFile(path)),
      `${path}, line 2: timestamp 3 is before that of an earlier line, 7; sort`,
    );
  });

  it('may end in the middle of a line, which is left out and told', async () => {
    const notes: string[] = [];
    const path = await fileOf(`${lineAt(1)}\n${lineAt(5).slice(0, -3)}`);
    assert.deepEqual(await timesOf(traceFile(path, { ...ALL, onNote: note => notes.push(note) })), [1]);
    assert.deepEqual(notes, [`${path}, line 2: was not written to its end, and is left out`]);
    await rejects(timesOf(traceFile(await fileOf(`${lineAt(1)}\n{"time\n`))), `line 2: is not JSON`);
  });

  it('of a router has what it did not see filled in, and what it does not know left out', async () => {
    const notes: string[] = [];
    const line = (fields: object) =>
      JSON.stringify({ timestamp: 0, outcome: 'routed', model: 'a', ...fields });
    const prompt = { input_length: 40, block_tokens: 16, hash_ids: [1, 2, 3] };
    const lines = [
      prompt,
      { ...prompt, output_length: 7, token_space: 'character' },
      {},
      { ...prompt, model: 'b' },
    ];
    const path = await fileOf(lines.map(line).join('\n'));
    const reading = { model: 'a', outputTokens: 99, onNote: (note: string) => notes.push(note) };
    const outputs: number[] = [];
    for await (const { outputTokens, tokensPerId } of traceFile(path, reading)) {
      outputs.push(outputTokens);
      assert.equal(tokensPerId, 16);
    }
    assert.deepEqual(outputs, [99, 7]);
    assert.deepEqual(
      notes.map(note => note.slice(path.length + 2)),
      [
        '1 of 4 requests are of other models than a, and left out',
        '1 of 4 requests were not looked up by their prompts, and are left out',
        '1 of 4 requests do not say how much they generated: 99 tokens are taken (--output-tokens)',
        '1 of 4 requests are measured in characters, as the local tokenizer counts',
      ],
    );
  });

  it('of a router begins when that began, beside others of its kind', async () => {
    const paths = await Promise.all(
      [2_000, 500, undefined].map(async (began, i) => {
        const path = join(folder, `began-${i}.jsonl`);
        const lines = [0, 30].map(timestamp => JSON.stringify({ ...JSON.parse(lineAt(timestamp)), began }));
        await writeFile(path, lines.join('\n'));
        return path;
      }),
    );
    const times = await Promise.all((await traceFiles(paths, ALL)).map(timesOf));
    assert.deepEqual(times, [
      [1_500, 1_530],
      [0, 30],
      [0, 30],
    ]);
  });

  it('has no line without end', async () => {
    const path = await fileOf('x'.repeat((1 << 22) + 70_000));
    await rejects(timesOf(traceFile(path)), `${path}, line 1: is longer than`);
  });

  it('says when it is not there', async () => {
    await rejects(timesOf(traceFile(join(folder, 'none'))), 'cannot be read: ENOENT');
  });

  it('is closed by who reads no more of it', async () => {
    const path = await fileOf(Array.from({ length: 5_000 }, (_, i) => lineAt(i)).join('\n'));
    for await (const { atMs } of merged([traceFile(path), traceFile(path)])) if (atMs === 3) break;
  });
});

describe('several traces', () => {
  it('are one by their times, the earlier trace first', async () => {
    const both = merged([listed([1, 4, 4, 9]), listed([0, 4, 20])]);
    assert.deepEqual(await timesOf(both), [0, 1, 4, 4, 4, 9, 20]);
    assert.deepEqual(await timesOf(merged([listed([2])])), [2]);
    const owners: number[] = [];
    for await (const { hashIds } of merged([listed([4, 4], 7), listed([4], 8)])) owners.push(hashIds[0]!);
    assert.deepEqual(owners, [7, 7, 8]);
  });

  it('come faster at a higher load', async () => {
    assert.deepEqual(await timesOf(atLoad(listed([1, 4]), 2)), [0.5, 2]);
  });
});

describe('the tokens of a trace', () => {
  const tokensOf = (hashIds: readonly number[], inputTokens: number) => {
    const tokens = new Uint32Array(inputTokens);
    writePrompt({ inputTokens, tokensPerId: 512, hashIds }, tokens);
    return [...tokens];
  };

  it('are the same for an id wherever it stands, and cut to the prompt', () => {
    const [both, second] = [tokensOf([7, 8], 600), tokensOf([8], 512)];
    assert.deepEqual(both.slice(0, 512), tokensOf([7], 512));
    assert.deepEqual(both.slice(512), second.slice(0, 88));
  });

  it('are others for each id, also beyond 32 bits', () => {
    const ids = [0, 1, 2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 36, 2 ** 37];
    assert.equal(new Set(ids.map(id => tokensOf([id], 16).join())).size, ids.length);
  });

  it('are not those that are generated, which are others for each request', () => {
    const generated = [new Uint32Array(64), new Uint32Array(64)];
    generated.forEach((tokens, number) => {
      writeGenerated(number, tokens);
    });
    assert.equal(new Set(generated.flatMap(tokens => [...tokens])).size, 128);
    assert.isTrue(generated.every(tokens => tokens.every(token => token >= 0x80000000)));
    assert.isTrue(tokensOf([1], 512).every(token => token < 0x80000000));
  });
});

describe('what one cache for all could reach', () => {
  const reachable = new ReachableTokens(16);
  const ROWS: readonly (readonly [string, readonly number[], number, number])[] = [
    ['nothing at first', [1, 2], 1_024, 0],
    ['whole blocks of the same beginning', [1, 3], 1_000, 512],
    ['no block after one that is new', [9, 2], 1_024, 0],
    ['never the last token', [1, 2], 1_024, 1_008],
    ['of a block that was cut, what was there of it', [1, 3], 1_024, 992],
    ['and all of it afterwards', [1, 3, 4], 1_030, 1_024],
  ];
  for (const [what, hashIds, inputTokens, tokens] of ROWS) {
    it(`is ${what}`, () => {
      assert.equal(
        reachable.add({ atMs: 0, inputTokens, outputTokens: 1, tokensPerId: 512, hashIds }),
        tokens,
      );
    });
  }
});

function lineAt(timestamp: number): string {
  return JSON.stringify({ timestamp, input_length: 3, output_length: 1, hash_ids: [1] });
}

function listed(times: readonly number[], id = 1): Trace {
  return {
    async *[Symbol.asyncIterator](): AsyncGenerator<TraceRequest> {
      for (const atMs of times)
        yield { atMs, inputTokens: 1, outputTokens: 1, tokensPerId: 512, hashIds: [id] };
    },
  };
}

async function timesOf(trace: Trace): Promise<number[]> {
  const times: number[] = [];
  for await (const { atMs } of trace) times.push(atMs);
  return times;
}

async function rejects(promise: Promise<unknown>, message: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: Error) => reason,
  );
  assert.include(error?.message, message);
}
