import { randomBytes } from 'node:crypto';
import {
  brotliCompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import { assert } from 'chai';
import { decodeBody, isPlain } from '../../src/prompt/content-encoding.ts';

const BODY = Buffer.from(JSON.stringify({ model: 'm', prompt: randomBytes(300_000).toString('hex') }));
const NEVER = new AbortController().signal;
const decode = (encoding: string, raw: Uint8Array, maxBytes = BODY.length, signal = NEVER) =>
  decodeBody(encoding, raw, maxBytes, signal);

describe('decodeBody', () => {
  for (const [encoding, raw] of [
    ['gzip', gzipSync(BODY)],
    ['x-gzip', gzipSync(BODY)],
    ['GZip', gzipSync(BODY)],
    ['gzip', Buffer.concat([gzipSync(BODY.subarray(0, 1000)), gzipSync(BODY.subarray(1000))])],
    ['deflate', deflateSync(BODY)],
    ['deflate', deflateRawSync(BODY)],
    ['br', brotliCompressSync(BODY, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['zstd', zstdCompressSync(BODY)],
    ['identity, gzip', gzipSync(BODY)],
    ['gzip,  zstd', zstdCompressSync(gzipSync(BODY))],
  ] as const) {
    it(`reads ${encoding}`, async () => {
      const decoded = await decode(encoding, raw);
      assert(decoded.kind === 'decoded');
      assert.isTrue(BODY.equals(decoded.body));
    });
  }

  const encoders = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };
  for (const [encoding, encode] of Object.entries(encoders)) {
    it(`stops ${encoding} that has more in it than it may`, async () => {
      assert.deepEqual(await decode(encoding, encode(BODY), BODY.length - 1), { kind: 'too_large' });
      const bomb = encode(Buffer.alloc(64 * 1024 * 1024));
      const before = process.memoryUsage().arrayBuffers;
      assert.deepEqual(await decode(encoding, bomb, 1024 * 1024), { kind: 'too_large' });
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 32 * 1024 * 1024);
    });

    it(`knows ${encoding} that is none, or half of it`, async () => {
      for (const raw of [Buffer.from('{"model":"m"}'), encode(BODY).subarray(0, 100_000), Buffer.alloc(0)])
        assert.deepEqual(await decode(encoding, raw), { kind: 'corrupt' });
    });
  }

  it('does not give a zstd frame the memory that it asks for', async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_enableLongDistanceMatching]: 1 };
    const wide = zstdCompressSync(randomBytes(20 * 1024 * 1024), { params });
    assert.deepEqual(await decode('zstd', wide, 64 * 1024 * 1024), { kind: 'corrupt' });
  });

  for (const encoding of ['compress', 'aws-chunked', 'gzip;q=1', 'gzip, gzip, gzip', 'gzip, x'])
    it(`does not know ${encoding}`, async () => {
      assert.deepEqual(await decode(encoding, gzipSync(BODY)), { kind: 'unknown' });
    });

  it('stops when it is told to', async () => {
    const gone = new Error('gone');
    const told = new AbortController();
    const decoding = decode('gzip', gzipSync(Buffer.alloc(64 * 1024 * 1024)), 2 ** 30, told.signal);
    told.abort(gone);
    assert.equal(await decoding.catch((error: unknown) => error), gone);
    assert.equal(
      await decode('gzip', gzipSync(BODY), 1e9, told.signal).catch((error: unknown) => error),
      gone,
    );
  });
});

describe('isPlain', () => {
  it('is true of bodies that nothing was done to', () => {
    for (const plain of [undefined, '', ' ', 'identity', 'Identity', 'identity, identity', ','])
      assert.isTrue(isPlain(plain), plain);
    for (const encoded of ['gzip', 'identity, gzip', 'x']) assert.isFalse(isPlain(encoded), encoded);
  });
});
