import { assert } from 'chai';
import { aPod } from '../support/builders.ts';
import type { EnvoyFile } from '../support/envoy.ts';
import { envoyReady, startFleet, withFleet } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { startTinyPod } from '../support/tiny-pod.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];

describe('The list of models through a gateway', function () {
  this.timeout(30_000);
  before(envoyReady);

  for (const file of FILES) {
    it(`has the models of all pods, also of one that is not there (${file})`, async () => {
      const tiny = await startTinyPod('pod-0');
      const gone = `127.0.0.1:${await freePort()}`;
      const pods = [
        { pod: { ...tiny.pod, model: 'org/base', aliases: ['sql-lora'] }, address: tiny.address },
        {
          pod: aPod({
            name: 'pod-1',
            port: Number(gone.split(':')[1]),
            model: 'another',
            aliases: ['chat-lora'],
          }),
          address: gone,
        },
      ];
      try {
        await withFleet(startFleet({ file, pods }), async fleet => {
          const { status, headers, text } = await fleet.get('/v1/models');
          assert.equal(status, 200);
          assert.equal(headers['content-type'], 'application/json');
          assert.deepEqual(
            JSON.parse(text).data.map(({ id, object }: { id: string; object: string }) => [id, object]),
            [
              ['another', 'model'],
              ['chat-lora', 'model'],
              ['org/base', 'model'],
              ['sql-lora', 'model'],
            ],
          );
          for (let i = 0; i < 4; i++) assert.equal((await fleet.get('/v1/models/?limit=20')).text, text);
          for (const path of ['/v1/models/org/base', '/v1/models/org%2Fbase'])
            assert.equal(JSON.parse((await fleet.get(path)).text).id, 'org/base');
          const unknown = await fleet.get('/v1/models/nobody');
          assert.equal(unknown.status, 404);
          assert.include(JSON.parse(unknown.text).error.message, '`nobody` does not exist');
          const anthropic = await fleet.get('/v1/models', { 'anthropic-version': '2023-06-01' });
          assert.equal(JSON.parse(anthropic.text).first_id, 'another');
          assert.isEmpty(tiny.requests);
        });
      } finally {
        await tiny.stop();
      }
    });
  }
});
