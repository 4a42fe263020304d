import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';
import { EnvoyFailed, validateBootstrap } from '../../demo/envoy.ts';
import { ENVOY_TEST_TIMEOUT_MS, envoyForTests } from '../support/envoy.ts';

const folder = new URL('../../envoy/', import.meta.url);

describe('the files in envoy/', function () {
  this.timeout(ENVOY_TEST_TIMEOUT_MS);

  it('are all accepted by Envoy', async () => {
    const files = (await readdir(folder)).filter(file => file.endsWith('.yaml'));
    assert.sameMembers(files, ['aibrix.yaml', 'endpoint-picker.yaml', 'original-dst.yaml', 'warmroute.yaml']);
    for (const file of files) {
      await validateBootstrap(await envoyForTests(), fileURLToPath(new URL(file, folder)));
    }
  });

  it('would be rejected if they were wrong, with the reason', async () => {
    const rejected = await validateBootstrap(await envoyForTests(), tmpdir()).catch(
      (error: unknown) => error,
    );
    assert.instanceOf(rejected, EnvoyFailed);
    assert.include(rejected.message, tmpdir());
  });

  it('guard the router against resets, but for the one that shows life without', async () => {
    for (const file of ['warmroute.yaml', 'original-dst.yaml', 'endpoint-picker.yaml', 'aibrix.yaml']) {
      const text = await readFile(new URL(file, folder), 'utf8');
      const guarded = file !== 'aibrix.yaml';
      assert.equal(
        /^ +envoy.reloadable_features.ext_proc_graceful_grpc_close: true$/m.test(text),
        guarded,
        file,
      );
      assert.equal(/^ +max_requests_per_connection: 900\b/m.test(text), guarded, file);
    }
  });
});
