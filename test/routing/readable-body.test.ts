import { brotliCompressSync, gzipSync } from 'node:zlib';
import { assert } from 'chai';
import { withReadableBody } from '../../src/routing/readable-body.ts';
import type { Route } from '../../src/routing/route.ts';
import { monotonicClock } from '../../src/time.ts';
import { aRequest, NEVER, RouteBench, rejected, routed } from '../support/route-bench.ts';

const BODY = Buffer.from('{"model":"demo","prompt":"Hi"}');
const INTRICATE = `[${'{},'.repeat(200_000)}1]`;

describe('a body that has to be made readable', () => {
  let bench: RouteBench;
  let route: Route;

  beforeEach(() => {
    bench = new RouteBench();
    use();
  });

  function use({ deadlineMs = 60_000, maxBodyBytes = 1024 } = {}) {
    route = withReadableBody(bench.create({}), { maxBodyBytes, deadlineMs, now: monotonicClock });
  }

  it('is decoded: the prompt is what the client wrote before', async () => {
    for (const [contentEncoding, body] of [
      ['gzip', gzipSync(BODY)],
      ['br', brotliCompressSync(BODY)],
      ['identity', BODY],
    ] as const) {
      const outcome = await route(aRequest({ contentEncoding, body }), NEVER);
      assert.equal(routed(outcome).reason, 'prefix_match');
      outcome.release();
      const { prompt } = bench.tokenized.at(-1)!;
      assert.equal(Buffer.from(prompt.raw).toString(), BODY.toString());
      assert.deepEqual(prompt.content, { kind: 'text', text: 'Hi' });
    }
  });

  it('is refused when it is too large after decoding, or is not what it says', async () => {
    const bomb = gzipSync(Buffer.alloc(1025));
    const tooLarge = rejected(await route(aRequest({ contentEncoding: 'gzip', body: bomb }), NEVER));
    assert.deepEqual(tooLarge, { kind: 'body_too_large', limitBytes: 1024 });
    const corrupt = rejected(await route(aRequest({ contentEncoding: 'gzip' }), NEVER));
    assert.deepInclude(corrupt, {
      message: 'error processing request body: it is not what its content-encoding says',
    });
  });

  it('goes by load when its encoding is unknown, if all pods serve the same', async () => {
    const request = aRequest({ contentEncoding: 'compress' });
    const error = rejected(await route(request, NEVER));
    assert(error.kind === 'malformed_body');
    assert.match(error.message, /content-encoding is not known here.*gzip, deflate, br, zstd/);
    bench.onlyModel = 'demo';
    use();
    assert.equal(routed(await route(request, NEVER)).reason, 'unknown_encoding');
    assert.isEmpty(bench.tokenized);
  });

  it('goes by load when it is too intricate to be parsed, with the model that it names', async () => {
    const body = Buffer.from(`{"prompt":"Hi","model":"demo","extra":${INTRICATE}}`);
    for (const given of [{ body }, { body: gzipSync(body), contentEncoding: 'gzip' }]) {
      use({ maxBodyBytes: body.length });
      assert.equal(routed(await route(aRequest(given), NEVER)).reason, 'too_intricate');
    }
    assert.deepEqual(rejected(await route(aRequest({ body: Buffer.from(INTRICATE) }), NEVER)), {
      kind: 'malformed_body',
      message:
        'error processing request body: it has too many values to be parsed here, and names no model in its first 524288 bytes',
      param: null,
    });
    assert.isEmpty(bench.tokenized);
  });

  it('goes by load when decoding takes too long, and nowhere when the client has gone', async () => {
    bench.onlyModel = 'demo';
    use({ deadlineMs: 0, maxBodyBytes: 2 ** 30 });
    const body = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const request = aRequest({ contentEncoding: 'gzip', body });
    assert.equal(routed(await route(request, NEVER)).reason, 'deadline');
    use({ maxBodyBytes: 2 ** 30 });
    const gone = AbortSignal.abort(new Error('gone'));
    assert.equal((await route(request, gone)).decision.kind, 'undecided');
    assert.equal(bench.load.total(), 1);
  });

  it('shares one time for the decision with what comes after', async () => {
    let nowMs = 0;
    const budgets: number[] = [];
    route = withReadableBody(
      (request, signal, spentMs = 0) => {
        budgets.push(spentMs);
        return bench.route(request, signal, spentMs);
      },
      { maxBodyBytes: 1024, deadlineMs: 800, now: () => (nowMs += 100) },
    );
    await route(aRequest({ contentEncoding: 'gzip', body: gzipSync(BODY) }), NEVER);
    await route(aRequest({ body: BODY }), NEVER);
    assert.deepEqual(budgets, [100, 0]);
  });

  it('is left alone when only its beginning is there', async () => {
    const body = gzipSync(BODY);
    const outcome = await route(aRequest({ contentEncoding: 'gzip', body, extent: 'late_body' }), NEVER);
    assert.equal(outcome.decision.kind, 'undecided');
  });
});
