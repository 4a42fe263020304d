import { assert } from 'chai';
import { type DecodedBatch, decodeBatch, MALFORMED_KINDS } from '../../../src/events/decoding/decoder.ts';
import { SKIPPED_KINDS } from '../../../src/events/decoding/event-decoder.ts';
import { anyBatch } from '../../support/any-kv-events.ts';
import { AnyPacker, randomFrom } from '../../support/any-msgpack.ts';
import {
  batchOf,
  hex,
  recordedFrames,
  recordedPayloads,
  scenarios,
  storedMap,
  VERSIONS,
} from '../../support/kv-events.ts';
import { collector } from '../../support/memory.ts';

const FRAMES = 100_000;
/**
 * A block hash takes a byte of the frame at least, and 8 bytes as two lanes, in lists that have room for 16 from the start and
 * grow to twice of what is needed at the most.
 */
const mayBeMade = ({ length }: Buffer) => 16 * 8 + 2 * 8 * length;

/** Headers with the longest length that they can declare: array, map, str, bin, ext. */
const INFLATED = [
  'ddffffffff',
  'dfffffffff',
  'dbffffffff',
  'c6ffffffff',
  'c9ffffffff',
  'dcffff',
  'deffff',
].map(hex);

describe('decoding mutated frames', function () {
  this.timeout(30_000);
  let largestArray = 0;
  const { Uint32Array: original } = globalThis;

  before(() => {
    globalThis.Uint32Array = class extends original {
      constructor(...given: readonly unknown[]) {
        super(...(given as [number]));
        largestArray = Math.max(largestArray, this.byteLength);
      }
    } as typeof Uint32Array;
  });
  after(() => {
    globalThis.Uint32Array = original;
  });

  it(`survives ${FRAMES} of them, in memory that stays flat`, async () => {
    const random = randomFrom(20_260_923);
    const packer = new AnyPacker(random);
    const corpus = frames(packer);
    const good = batchOf(storedMap());
    const expected = JSON.stringify(decodeBatch(good));
    const outcomes = new Map<string, number>();
    const collect = collector();

    let retained = 0;
    for (let i = 0; i < FRAMES; i++) {
      // Behind the first tenth everything that is made once is there.
      if (i === FRAMES / 10) retained = await collect();
      const frame = mutated(packer, corpus);
      largestArray = 0;
      const batch = decodeBatch(frame);
      assertReadable(batch, frame.length);
      if (largestArray > mayBeMade(frame)) {
        assert.fail(`${largestArray} bytes in one piece for ${frame.toString('hex')}`);
      }
      const outcome = batch.kind === 'malformed' ? batch.why : `${batch.kind}, whole: ${batch.whole}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (i % 1_000 === 0) assert.equal(JSON.stringify(decodeBatch(good)), expected);
    }

    assert.isBelow((await collect()) - retained, 8 * 2 ** 20);
    assert.includeMembers([...outcomes.keys()], ['broken', 'batch, whole: true', 'batch, whole: false']);
    // Most mutations must reach the events, or the test shows little.
    const read = [...outcomes].filter(([outcome]) => outcome.startsWith('batch'));
    assert.isAbove(
      read.reduce((sum, [, count]) => sum + count, 0),
      FRAMES / 2,
    );
  });

  it('never takes a frame that was cut for a whole one', () => {
    const packer = new AnyPacker(randomFrom(7));
    for (const frame of frames(packer).filter(({ length }) => length < 700)) {
      for (let length = 0; length < frame.length; length++) {
        const batch = decodeBatch(frame.subarray(0, length));
        assert.isFalse(batch.kind === 'batch' && batch.whole);
      }
    }
  });

  for (const header of INFLATED) {
    it(`makes nothing for the length that ${header.toString('hex')} declares`, () => {
      const good = batchOf(storedMap());
      for (let at = 0; at < good.length; at++) {
        const frame = Buffer.concat([good.subarray(0, at), header, good.subarray(at)]);
        largestArray = 0;
        const batch = decodeBatch(frame);
        assertReadable(batch, frame.length);
        assert.isAtMost(largestArray, mayBeMade(frame));
      }
    });
  }
});

function assertReadable(batch: DecodedBatch, frameBytes: number): void {
  if (batch.kind === 'malformed') {
    if (!MALFORMED_KINDS.includes(batch.why)) assert.fail(batch.why);
    return;
  }
  let made = batch.skipped.length;
  for (const why of batch.skipped) if (!SKIPPED_KINDS.includes(why)) assert.fail(why);
  for (const event of batch.events) {
    made++;
    if (event.kind === 'cleared') continue;
    made += event.hashes.length;
    if (event.hashes.lanes.length !== 2 * event.hashes.length) assert.fail('lanes');
    if (event.kind === 'removed') continue;
    made += event.tokenIds.length + event.extraKeys.length;
    if (!Number.isSafeInteger(event.blockSizeTokens) || event.blockSizeTokens < 0) assert.fail('block size');
  }
  if (made > frameBytes) assert.fail('more than the frame can hold');
}

/** What engines sent, below 2 KB, and what others may send. */
function frames(packer: AnyPacker): Buffer[] {
  const recorded = VERSIONS.flatMap(version => [
    ...Object.values(scenarios(version)).flatMap(({ payloads }) => payloads.map(hex)),
    ...Object.values(recordedPayloads(version)).flat(),
  ]);
  const bytes = recordedFrames('bytes').map(([, , payload]) => payload!);
  const others = Array.from({ length: 60 }, () => anyBatch(packer));
  return [...recorded, ...bytes, ...others].filter(({ length }) => length < 2_000);
}

function mutated(packer: AnyPacker, corpus: readonly Buffer[]): Buffer {
  let frame: Buffer = Buffer.from(packer.pick(corpus));
  for (let edits = 1 + packer.below(3); edits > 0; edits--) {
    const at = packer.below(frame.length + 1);
    switch (packer.below(6)) {
      case 0: // a bit
        if (at < frame.length) frame[at]! ^= 1 << packer.below(8);
        break;
      case 1: // a byte
        if (at < frame.length) frame[at] = packer.below(256);
        break;
      case 2: // cut
        if (packer.below(4) === 0) frame = frame.subarray(0, at);
        break;
      case 3: // a length far too large
        frame = Buffer.concat([frame.subarray(0, at), packer.pick(INFLATED), frame.subarray(at)]);
        break;
      case 4: {
        // a piece of another frame
        const other = packer.pick(corpus);
        const from = packer.below(other.length);
        const piece = other.subarray(from, from + packer.below(200));
        frame = Buffer.concat([frame.subarray(0, at), piece, frame.subarray(at + packer.below(50))]);
        break;
      }
      case 5: // bytes missing
        frame = Buffer.concat([frame.subarray(0, at), frame.subarray(at + 1 + packer.below(8))]);
    }
  }
  return frame;
}
