import { assert } from 'chai';
import fc from 'fast-check';
import { GatheredBody } from '../../src/extproc/body/gathered-body.ts';

const KIB = 1024;

function gathered(chunks: readonly Uint8Array[]): GatheredBody {
  const body = new GatheredBody();
  for (const chunk of chunks) body.append(Buffer.from(chunk));
  return body;
}

describe('A body that is gathered', () => {
  const sizes = fc.oneof(
    fc.nat(40),
    fc.nat(3_000),
    fc.nat(300 * KIB),
    fc.constantFrom(0, 16 * KIB, 1024 * KIB),
  );
  const chunks = fc.array(
    fc.record({ size: sizes, fill: fc.nat(255) }).map(({ size, fill }) => new Uint8Array(size).fill(fill)),
    { maxLength: 8 },
  );

  it('is what came, whole and from its beginning, however it was cut', () => {
    fc.assert(
      fc.property(chunks, fc.nat(100 * KIB), (chunks, most) => {
        const all = Buffer.concat(chunks);
        const body = gathered(chunks);
        assert.equal(body.bytes, all.length);
        assert.isTrue(Buffer.concat(body.pieces()).equals(all));
        assert.isTrue(body.beginning(most).equals(all.subarray(0, most)));
        assert.isTrue(body.joined().equals(all));
        assert.isTrue(Buffer.concat(body.pieces()).equals(all));
        assert.equal(body.bytes, all.length);
      }),
      { numRuns: 60 },
    );
  });

  it('takes at most twice its bytes, or a mebibyte more, and when joined no more than they are', () => {
    fc.assert(
      fc.property(chunks, chunks => {
        const body = gathered(chunks);
        const { bytes } = body;
        const room = Math.min(Math.max(bytes, 16 * KIB), 1024 * KIB);
        assert.isAtMost(body.memory, bytes + room);
        assert.isAtLeast(body.memory, bytes);
        body.joined();
        if (chunks.filter(({ length }) => length > 0).length > 1) assert.equal(body.memory, bytes);
      }),
      { numRuns: 60 },
    );
  });

  it('is kept in few pieces when it comes in single bytes', () => {
    const body = new GatheredBody();
    for (let i = 0; i < 300_000; i++) body.append(Buffer.from([i & 255]));
    assert.isBelow(body.pieces().length, 12);
    assert.isAtMost(body.memory, 600_000);
  });

  it('takes more after it was joined', () => {
    const body = gathered([Buffer.from('he'), Buffer.from('l')]);
    body.joined();
    body.append(Buffer.from('lo'));
    assert.equal(String(body.joined()), 'hello');
  });

  it('is not copied when it is one chunk', () => {
    const chunk = Buffer.from('hello');
    const body = new GatheredBody();
    body.append(chunk);
    assert.equal(body.joined().buffer, chunk.buffer);
    assert.equal(body.memory, 5);
  });
});
