import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import fc from 'fast-check';
import { type FileSystem, realFiles } from '../../src/record/file-system.ts';
import type { RecordedExchange } from '../../src/record/recorded-exchange.ts';
import { Recording, type RecordingFact, type RecordingOptions } from '../../src/record/recording.ts';
import { traceLines } from '../../src/simulation/trace/trace-lines.ts';
import { aRoutedDecision } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { HandClock } from '../support/hand-clock.ts';

const PACE = { tickMs: 1, patienceMs: 60_000, retryMs: 1, maxBytes: 1 << 20 };
/** Of 100 tokens in blocks of 16. */
const BLOCKS = Uint32Array.from({ length: 14 }, (_, i) => i);

function exchange(decidedAt: number, given: Partial<RecordedExchange> = {}): RecordedExchange {
  const tokens = { space: 'engine', prompt: 100, blockSizeTokens: 16, gpu: 48, cpu: 0, storage: 0 } as const;
  return {
    ...{
      decidedAt,
      decisionMs: 1,
      path: '/v1/completions',
      decision: aRoutedDecision({ tokens }),
      steering: 'steered',
    },
    ...{ blocks: BLOCKS, answer: undefined, sample: undefined, tookMs: 5 },
    ...given,
  };
}

describe('a recording', () => {
  let folder: string;
  let path: string;
  let clock: HandClock;
  let facts: RecordingFact[];
  let recording: Recording;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'recording-'));
    path = join(folder, 'r');
    clock = new HandClock(1_000);
    facts = [];
  });
  afterEach(async () => {
    await recording.stop(0);
    await rm(folder, { recursive: true });
  });

  const begin = (given: Partial<RecordingOptions> = {}) => {
    recording = new Recording({
      ...{ path, maxBytes: 1 << 20, maxFiles: 3, files: realFiles, blockTokens: 16, pace: PACE },
      ...{ now: clock.now, wallClock: () => 1_700_000_000_000 + clock.now() },
      onFact: fact => facts.push(fact),
      ...given,
    });
    return recording;
  };
  const written = (count: number) => eventually('it is written', () => recording.written === count);
  const timesIn = async (name = path) => {
    const times: number[] = [];
    for await (const { atMs } of traceLines(name)) times.push(atMs);
    return times;
  };

  it('says which requests were left to Envoy, and why', async () => {
    begin();
    for (const steering of ['steered', 'left', 'observed'] as const)
      recording.add(exchange(1_000, { steering }));
    await written(3);
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      lines.map(line => JSON.parse(line).left),
      [undefined, 'rollout', 'shadow'],
    );
  });

  it('has its lines in the order of the decisions, each when it is over', async () => {
    begin();
    const [slow, quick] = [exchange(1_000, { tookMs: undefined }), exchange(1_004)];
    recording.add(slow);
    recording.add(quick);
    const done = exchange(1_004.9);
    assert.equal(recording.written, 0, 'the first one goes on');
    slow.tookMs = 40;
    await written(2);
    recording.add(done);
    await written(3);
    const lines = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ timestamp, began, took_ms }) => [timestamp, began, took_ms]),
      [
        [0, 1_700_000_001_000, 40],
        [4, 1_700_000_001_000, 5],
        [4, 1_700_000_001_000, 5],
      ],
    );
  });

  it('waits for an answer only so long, and then is without what has not come', async () => {
    begin();
    recording.add(exchange(1_000, { tookMs: undefined }));
    recording.add(exchange(1_002));
    clock.advance(60_000);
    await written(2);
    const [first, second] = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.notInclude(first!, 'took_ms');
    assert.include(second!, 'took_ms');
  });

  it('waits for none where there are too many', async () => {
    begin({ pace: { ...PACE, maxBytes: 2_000 } });
    for (let i = 0; i < 2; i++) recording.add(exchange(1_000 + i, { tookMs: undefined }));
    await written(1);
    assert.equal(recording.dropped, 0);
  });

  it('writes what there is at its end, and nothing afterwards', async () => {
    begin({ pace: { ...PACE, tickMs: 1e6 } });
    recording.add(exchange(1_000, { tookMs: undefined }));
    await recording.stop(5_000);
    assert.deepEqual(await timesIn(), [0]);
    recording.add(exchange(1_001));
    assert.deepEqual([recording.written, recording.dropped], [1, 1]);
    assert.isEmpty(facts);
  });

  it('is a file that only its owner may read, beside those before it, the oldest of which go', async () => {
    await writeFile(path, 'of an earlier process\n', { mode: 0o644 });
    begin({ maxBytes: 1_000 });
    for (let i = 0; i < 9; i++) recording.add(exchange(1_000 + i));
    await written(9);
    assert.sameMembers(await readdir(folder), ['r', 'r.1', 'r.2']);
    for (const name of ['r', 'r.1', 'r.2']) {
      const { mode, size } = await stat(join(folder, name));
      assert.deepEqual([mode & 0o777, size <= 1_000], [0o600, true]);
      assert.deepEqual((await timesIn(join(folder, name)))[0], 0);
    }
  });

  it('keeps one file where one is all there may be', async () => {
    begin({ maxBytes: 1_000, maxFiles: 1 });
    for (let i = 0; i < 9; i++) recording.add(exchange(1_000 + i));
    await written(9);
    assert.deepEqual(await readdir(folder), ['r']);
  });

  it('leaves out a line that is longer than a file may be', async () => {
    begin({ maxBytes: 1_000 });
    recording.add(exchange(1_000));
    recording.add(exchange(1_001, { blocks: new Uint32Array(400) }));
    recording.add(exchange(1_002));
    await written(2);
    assert.equal(recording.dropped, 1);
  });

  for (const [what, put] of [
    ['a folder', () => mkdir(path)],
    ['a link', () => symlink('/dev/null', path)],
    ['a link to nothing', () => symlink(join(folder, 'elsewhere'), path)],
  ] as const) {
    it(`is not written where ${what} is`, async () => {
      await put();
      begin().add(exchange(1_000));
      await eventually('it is told', () => facts.length > 0);
      assert.match(String((facts[0] as { error?: unknown }).error), /is no regular file/);
      await recording.stop(5_000);
      assert.deepEqual(await readdir(folder), ['r']);
      assert.equal(recording.dropped, 1);
    });
  }

  it('neither moves a folder that stands in the way of an older file', async () => {
    await writeFile(path, 'x');
    await mkdir(`${path}.1`);
    begin().add(exchange(1_000));
    await eventually('it is told', () => facts.length > 0);
    assert.equal(await readFile(path, 'utf8'), 'x');
  });

  /** Real files, on a disk that has so much room. */
  function disk(room: { bytes: number }): FileSystem {
    return {
      ...realFiles,
      async create(where) {
        const file = await realFiles.create(where);
        return {
          async write(bytes, position) {
            const fits = Math.min(bytes.length, Math.max(0, room.bytes - position));
            await file.write(bytes.subarray(0, fits), position);
            if (fits < bytes.length)
              throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
          },
          close: () => file.close(),
        };
      },
    };
  }

  it('goes on when the disk has room again, and has every line once', async () => {
    const room = { bytes: 700 };
    begin({ files: disk(room) });
    for (let i = 0; i < 5; i++) recording.add(exchange(1_000 + i));
    await eventually('it is told', () => facts.length > 0);
    assert.equal(facts[0]!.kind, 'failed');
    room.bytes = 1e6;
    await eventually('it is written again', () => facts.length > 1);
    assert.deepEqual(facts[1], { kind: 'recovered', dropped: 0 });
    assert.deepEqual(await timesIn(), [0, 1, 2, 3, 4]);
  });

  it('drops and counts what there is no room for while the disk is full, and says so once', async () => {
    const room = { bytes: 0 };
    begin({ files: disk(room), pace: { ...PACE, maxBytes: 3_000 } });
    for (let i = 0; i < 100; i++) recording.add(exchange(1_000 + i));
    await eventually('it is told', () => facts.some(({ kind }) => kind === 'failed'));
    const { dropped } = recording;
    assert.isAbove(dropped, 90);
    room.bytes = 1e6;
    await eventually('it is written again', () => facts.at(-1)?.kind === 'recovered');
    assert.deepEqual(facts.at(-1), { kind: 'recovered', dropped });
    assert.equal(recording.written + dropped, 100);
    assert.isAtMost(facts.length, 3);
  });

  it('keeps nobody waiting for a disk that hangs, also at the end', async () => {
    const hanging = Promise.withResolvers<never>();
    const files = { ...realFiles, look: () => hanging.promise };
    begin({ files, pace: { ...PACE, maxBytes: 3_000 } });
    for (let i = 0; i < 100; i++) recording.add(exchange(1_000 + i));
    assert.deepEqual(facts, [{ kind: 'overflowed' }]);
    await recording.stop(1);
    assert.deepEqual([recording.written, recording.dropped], [0, 100]);
    hanging.reject(new Error('the disk is gone'));
  });

  it('is read as it was written', async () => {
    const drawn = fc.record({
      gapMs: fc.nat(1_000),
      tokens: fc.integer({ min: 1, max: 5_000 }),
      generated: fc.option(fc.nat(1_000), { nil: undefined }),
      isLooked: fc.boolean(),
    });
    const counts = fc.integer({ min: 1, max: 700 });
    await fc.assert(
      fc.asyncProperty(fc.array(drawn, { minLength: 1, maxLength: 30 }), counts, async (all, blockTokens) => {
        await rm(path, { force: true });
        begin({ blockTokens, maxBytes: 1 << 26 });
        let at = 0;
        for (const { gapMs, tokens: prompt, generated, isLooked } of all) {
          at += gapMs;
          const tokens = {
            space: 'engine',
            prompt,
            blockSizeTokens: 16,
            gpu: 0,
            cpu: 0,
            storage: 0,
          } as const;
          const decision = aRoutedDecision(isLooked ? { tokens } : { tokens: undefined });
          const usage = { promptTokens: prompt, cachedTokens: undefined, generatedTokens: generated };
          const sample = {
            decision,
            answer: 'whole',
            firstByteMs: 1,
            outcome: { kind: 'no_usage' },
            usage,
          } as const;
          const blocks = isLooked
            ? Uint32Array.from({ length: 2 * Math.ceil(prompt / blockTokens) }, (_, i) => prompt + i)
            : undefined;
          recording.add(exchange(at, { decision, blocks, sample }));
        }
        await recording.stop(5_000);
        let i = 0;
        let expectedAt = -all[0]!.gapMs;
        for await (const { atMs, prompt, outputTokens } of traceLines(path)) {
          const { gapMs, tokens, generated, isLooked } = all[i++]!;
          expectedAt += gapMs;
          assert.equal(atMs, expectedAt);
          assert.equal(outputTokens, generated === undefined ? undefined : Math.max(1, generated));
          assert.equal(prompt?.inputTokens, isLooked ? tokens : undefined);
          assert.equal(prompt?.tokensPerId, isLooked ? blockTokens : undefined);
        }
        assert.equal(i, all.length);
      }),
      { numRuns: 20 },
    );
  });
});
