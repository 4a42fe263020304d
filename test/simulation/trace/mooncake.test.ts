import { assert } from 'chai';
import {
  type MooncakeLine,
  mooncakeLine,
  parseJsonLine,
  TraceError,
} from '../../../src/simulation/trace/mooncake.ts';

const LINE = { timestamp: 27_482, input_length: 6_955, output_length: 52, hash_ids: range(14) };

describe('a line of Mooncake’s trace format', () => {
  it('is a request', () => {
    assert.deepEqual(read(changed({ decision: 'ignored' })), {
      ...{ atMs: 27_482, model: undefined, outputTokens: 52 },
      prompt: { inputTokens: 6_955, tokensPerId: 512, hashIds: range(14) },
    });
  });

  it('may have blocks of another size, and be without what a router that recorded it has not seen', () => {
    const recorded = { outcome: 'routed', model: 'demo', output_length: undefined };
    assert.deepEqual(read(changed({ ...recorded, block_tokens: 4_096, hash_ids: [7, 8] })), {
      ...{ atMs: 27_482, model: 'demo', outputTokens: undefined },
      prompt: { inputTokens: 6_955, tokensPerId: 4_096, hashIds: [7, 8] },
    });
    assert.isUndefined(read(changed({ ...recorded, input_length: undefined, hash_ids: undefined })).prompt);
    assert.equal(read(changed({ ...recorded, output_length: 0 })).outputTokens, 1, 'an answer without text');
  });

  const BAD: readonly (readonly [why: string, line: string, message: RegExp])[] = [
    ['is cut off', '{"timestamp": 1', /not JSON/],
    ['is a list', '[1]', /must be a JSON object/],
    ['is null', 'null', /must be a JSON object/],
    ['has no time', changed({ timestamp: undefined }), /timestamp .* is missing/],
    ['has a time before the trace', changed({ timestamp: -1 }), /timestamp .* is -1/],
    ['has a time as text', changed({ timestamp: '5' }), /timestamp .* is "5"/],
    ['has no prompt', changed({ input_length: 0 }), /input_length .* is 0/],
    ['has half a token', changed({ output_length: 1.5 }), /output_length .* is 1.5/],
    ['has more tokens than anybody', changed({ input_length: 1e9 }), /input_length .* is 1000000000/],
    ['has no ids', changed({ hash_ids: undefined }), /hash_ids must be a list/],
    ['has an id that is none', changed({ hash_ids: [...range(13), -1] }), /hash_ids must be a list/],
    [
      'has an id beyond what is exact',
      changed({ hash_ids: [...range(13), 2 ** 53] }),
      /hash_ids must be a list/,
    ],
    [
      'has too few ids',
      changed({ hash_ids: range(13) }),
      /13 ids, and 6955 tokens of input_length are 14 blocks of 512/,
    ],
    ['has too many ids', changed({ hash_ids: range(15) }), /15 ids/],
    ['has blocks of nothing', changed({ block_tokens: 0 }), /block_tokens .* is 0/],
    [
      'has a prompt without its length',
      changed({ outcome: 'routed', input_length: undefined }),
      /input_length/,
    ],
  ];
  for (const [why, line, message] of BAD) {
    it(`that ${why} is refused`, () => {
      assert.throws(() => read(line), TraceError, message);
    });
  }
});

function read(line: string): MooncakeLine {
  return mooncakeLine(parseJsonLine(line));
}

function changed(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...LINE, ...fields });
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
