import { createHash } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { assert } from 'chai';
import { envoyReady, type Fleet, startFleet } from '../support/fleet.ts';
import { startTinyPod, type TinyPod } from '../support/tiny-pod.ts';

const ENCODERS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };
const LIMIT_BYTES = 2 * 1024 * 1024;

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml'] as const) {
  describe(`Bodies that clients have encoded (${file})`, function () {
    this.timeout(20_000);
    let pods: TinyPod[];
    let fleet: Fleet;

    before(async function () {
      await envoyReady.call(this);
      pods = [await startTinyPod('pod-0'), await startTinyPod('pod-1')];
      fleet = await startFleet({
        file,
        pods,
        environment: { WARMROUTE_MAX_BODY_BYTES: String(LIMIT_BYTES) },
      });
    });
    after(async () => {
      await fleet?.stop();
      await Promise.all((pods ?? []).map(pod => pod.stop()));
    });

    const post = (encoding: string, body: Buffer) =>
      fleet.post('/v1/completions', body, { 'content-encoding': encoding });

    for (const [encoding, encode] of Object.entries(ENCODERS)) {
      it(`${encoding}: are matched by what is in them, and arrive as they were sent`, async () => {
        const prompt = `${encoding} makes a long story short, and warm it stays. `.repeat(50);
        const body = encode(JSON.stringify({ model: 'demo', prompt }));
        const first = await post(encoding, body);
        const second = await post(encoding, body);
        assert.deepEqual([first.status, second.status], [200, 200]);
        assert.equal(first.decision?.reason, 'no_match');
        assert.equal(second.decision?.reason, 'prefix_match');
        assert.equal(second.servedBy, first.servedBy);
        const pod = pods.find(({ address }) => address === second.servedBy);
        assert.include(pod?.requests.at(-1), { bytes: body.length, sha256: sha256(body) });
        assert.equal(pod?.requests.at(-1)?.headers['content-encoding'], encoding);
      });

      it(`${encoding}: are answered 413 when there is more in them than may be`, async () => {
        const bomb = encode(Buffer.alloc(20 * LIMIT_BYTES));
        assert.equal((await post(encoding, bomb)).status, 413);
      });
    }

    it('that are unknown, or too intricate, go by load where all pods serve the same', async () => {
      const body = Buffer.from(JSON.stringify({ model: 'demo', prompt: 'x' }));
      const unknown = await post('compress', body);
      assert.deepEqual([unknown.status, unknown.decision?.reason], [200, 'unknown_encoding']);
      const intricate = Buffer.from(`{"model":"demo","prompt":"x","extra":[${'{},'.repeat(300_000)}1]}`);
      const { status, decision } = await post('identity', intricate);
      assert.deepEqual([status, decision?.reason], [200, 'too_intricate']);
    });
  });
}
