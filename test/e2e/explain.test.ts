import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from 'chai';
import type { DecisionRecord } from '../../src/explain/record.ts';
import { runCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { envoyReady, MODEL, startEngineFleet, WITH_EVENTS, withFleet } from '../support/fleet.ts';

describe('warmroute explain, of requests through a real Envoy', function () {
  this.timeout(40_000);
  let folder: string;

  before(async function () {
    await envoyReady.call(this);
    folder = await mkdtemp(join(tmpdir(), 'warmroute-explain-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('tells of a warm hit by its request id, and that the next one goes to the same pod', async () => {
    await withFleet(startEngineFleet({ environment: WITH_EVENTS }), async fleet => {
      const body = {
        model: MODEL,
        prompt: 'Once upon a time there was a router. '.repeat(40),
        max_tokens: 1,
      };
      await fleet.post('/v1/completions', body);
      await fleet.indexed();
      const warm = await fleet.post('/v1/completions', body);
      const id = String(warm.headers['request-id']);
      const admin = `http://127.0.0.1:${fleet.program.adminPort}`;
      const file = join(folder, 'request.json');
      await writeFile(file, JSON.stringify(body));

      const asked = await eventually('the answer is seen', async () => {
        const response = await fetch(`${admin}/debug/decisions/${id}`);
        const record = (await response.json()) as DecisionRecord;
        return record.served === undefined ? undefined : record;
      });
      assert.deepInclude(asked, { reason: 'prefix_match', endpoint: warm.servedBy! });
      assert.deepInclude(asked.served, { status: 200, pod: asked.pod! });

      const [made, dry] = await Promise.all([
        runCli(['explain', '--request-id', id, '--admin', admin]),
        runCli(['explain', file, '--admin', admin, '--json']),
      ]);
      assert.deepEqual([made.code, made.stderr], [0, ''], made.stdout);
      assert.match(made.stdout, new RegExp(`routed to ${asked.pod}, prefix_match$`, 'm'));
      assert.match(made.stdout, new RegExp(`^served +200 by ${asked.pod}, answer began after \\d+ ms$`, 'm'));
      assert.match(made.stdout, new RegExp(`^> +${asked.pod} .* soonest: [\\d.]+ ms$`, 'm'));
      assert.match(
        made.stdout,
        /^Took \d+ µs: parse \d+, tokenize \d+, match \d+, of that hash \d+, decide \d+$/m,
      );
      assert.deepInclude(JSON.parse(dry.stdout), {
        reason: 'prefix_match',
        pod: asked.pod,
        outcome: 'routed',
      });
    });
  });
});
