import { assert } from 'chai';
import fc from 'fast-check';
import {
  DEFAULT_WIRE_LIMITS,
  PartialBudget,
  type WireFault,
  type WireItem,
  type WireLimits,
  WireReader,
} from '../../../src/events/wire/wire-reader.ts';
import { greeting, message, ready, subscription } from '../../../src/events/wire/zmtp.ts';
import { zmtpCommand, zmtpFrame, zmtpHead } from '../../support/zmtp-peer.ts';

const BUDGET_BYTES = 1024 * 1024;

describe('a reader of ZMTP', () => {
  let budget: PartialBudget;
  let items: WireItem[];

  beforeEach(() => {
    budget = new PartialBudget(BUDGET_BYTES);
    items = [];
  });

  function aReader(limits: Partial<WireLimits> = {}): WireReader {
    return new WireReader({ ...DEFAULT_WIRE_LIMITS, ...limits }, budget, item => items.push(item));
  }

  /** A reader that has been greeted. */
  function greeted(limits: Partial<WireLimits> = {}): WireReader {
    const reader = aReader(limits);
    reader.push(greeting());
    assert.deepEqual(items.splice(0), [{ kind: 'greeting' }]);
    return reader;
  }

  /** Whether nothing of the budget is in use. */
  function assertReleased(): void {
    assert.isTrue(budget.take(BUDGET_BYTES));
    budget.release(BUDGET_BYTES);
  }

  const anyFrames = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.uint8Array({ maxLength: 20 }) },
      fc.integer({ min: 250, max: 260 }).map(length => new Uint8Array(length).fill(length)),
      fc.integer({ min: 500, max: 70_000 }).map(length => new Uint8Array(length).fill(length)),
      fc.constant(new Uint8Array(270_000).fill(7)),
    ),
    { minLength: 1, maxLength: 5 },
  );
  const anyItem = fc.oneof(
    { weight: 4, arbitrary: anyFrames.map(frames => ({ kind: 'message' as const, frames })) },
    fc.uint8Array({ maxLength: 30 }).map(body => ({ kind: 'command' as const, name: 'PING', body })),
  );

  it('reads the same of whatever pieces the bytes come in', () => {
    fc.assert(
      fc.property(
        fc.array(anyItem, { maxLength: 6 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200_000 })), {
          minLength: 1,
        }),
        (sent, pieces) => {
          const bytes = Buffer.concat([
            greeting(),
            ...sent.map(item =>
              item.kind === 'message' ? message(item.frames) : zmtpCommand(item.name, item.body),
            ),
          ]);
          items = [];
          const reader = aReader();
          for (let at = 0, i = 0; at < bytes.length; i++) {
            // What is read is not kept: the memory is used again.
            const piece = Buffer.from(bytes.subarray(at, at + pieces[i % pieces.length]!));
            reader.push(piece);
            piece.fill(0xaa);
            at += piece.length;
          }
          assert.deepEqual(
            items.map(item =>
              item.kind === 'message'
                ? { kind: item.kind, frames: item.frames.map(frame => [...frame]) }
                : item.kind === 'command'
                  ? { kind: item.kind, name: item.name, body: [...item.body] }
                  : item,
            ),
            [
              { kind: 'greeting' },
              ...sent.map(item =>
                item.kind === 'message'
                  ? { kind: item.kind, frames: item.frames.map(frame => [...frame]) }
                  : { kind: item.kind, name: item.name, body: [...item.body] },
              ),
            ],
          );
          assertReleased();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('takes any bytes, and keeps within its memory', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), chunks => {
        items = [];
        const reader = greeted({ maxMessageBytes: 1_000, maxFrames: 4 });
        for (const chunk of chunks) reader.push(chunk);
        const faults = items.filter(({ kind }) => kind === 'fault').length;
        assert.isAtMost(faults, 1);
        if (faults === 1) assert.equal(items.at(-1)!.kind, 'fault', 'nothing follows a fault');
        reader.end();
        assertReleased();
      }),
      { numRuns: 2_000 },
    );
  });

  it('knows a short frame in the long form', () => {
    greeted().push(zmtpFrame(Buffer.from('x'), 0, 'long'));
    assert.deepEqual(items, [{ kind: 'message', frames: [Buffer.from('x')], bytes: 1 }]);
  });

  it('has a command between two frames of a message', () => {
    const reader = greeted();
    reader.push(
      Buffer.concat([zmtpFrame(Buffer.from('a'), 1), zmtpCommand('PING'), zmtpFrame(Buffer.from('b'))]),
    );
    assert.deepEqual(
      items.map(({ kind }) => kind),
      ['command', 'message'],
    );
  });

  const faults: [title: string, bytes: Uint8Array, why: WireFault][] = [
    ['a message larger than the limit', zmtpHead(1_001), 'too_large'],
    [
      'frames larger together than the limit',
      Buffer.concat([zmtpFrame(Buffer.alloc(600), 1), zmtpHead(401)]),
      'too_large',
    ],
    ['a size beyond all memory', zmtpHead(2 ** 53), 'too_large'],
    [
      'a frame too many',
      Buffer.concat(Array.from({ length: 5 }, () => zmtpFrame(Buffer.alloc(0), 1))),
      'too_many_frames',
    ],
    ['an unknown flag', Buffer.from([8, 0]), 'not_zmtp'],
    ['a command that goes on', Buffer.from([5, 0]), 'not_zmtp'],
    ['a command without a name', Buffer.from([4, 0]), 'not_zmtp'],
    ['a command whose name is longer than it', Buffer.from([4, 2, 5, 65]), 'not_zmtp'],
    ['a command of some kilobytes', zmtpHead(5_000, 4), 'not_zmtp'],
  ];
  for (const [title, bytes, why] of faults) {
    it(`ends at ${title}`, () => {
      const reader = greeted({ maxMessageBytes: 1_000, maxFrames: 4 });
      reader.push(Buffer.concat([bytes, zmtpFrame(Buffer.from('x'))]));
      assert.deepEqual(items, [{ kind: 'fault', why }]);
      reader.push(zmtpFrame(Buffer.from('x')));
      assert.lengthOf(items, 1);
      assertReleased();
    });
  }

  it('counts no more frames than a message may have: the next one begins anew', () => {
    const reader = greeted({ maxFrames: 3 });
    for (let i = 0; i < 10; i++) reader.push(message(['a', 'b', 'c'].map(text => Buffer.from(text))));
    assert.lengthOf(items, 10);
  });

  const strangers: [title: string, bytes: Uint8Array][] = [
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['ZMTP 2', Buffer.from('ff00000000000000017f01', 'hex')],
    ['a server with a password', Buffer.from('ff00000000000000017f0300504c41494e', 'hex')],
  ];
  for (const [title, bytes] of strangers) {
    it(`does not take ${title} for a publisher`, () => {
      aReader().push(bytes);
      assert.deepEqual(items, [{ kind: 'fault', why: 'not_zmtp' }]);
    });
  }

  it('believes no declared size: memory follows what has come', () => {
    const one = greeted();
    const other = greeted();
    one.push(zmtpHead(16 * 1024 * 1024));
    other.push(zmtpHead(16 * 1024 * 1024));
    one.push(Buffer.alloc(300 * 1024));
    assert.isEmpty(items);
    one.push(Buffer.alloc(900 * 1024));
    assert.deepEqual(items, [{ kind: 'fault', why: 'no_memory' }], 'of both together');
    other.end();
    assertReleased();
  });

  it('writes what libzmq writes', () => {
    assert.equal(ready('SUB').toString('latin1'), '\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB');
    assert.equal(subscription('kv@').toString('latin1'), '\0\x04\x01kv@');
    assert.equal(greeting().length, 64);
  });
});
