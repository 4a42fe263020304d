import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { FakeKubeApi } from '../support/fake-kube-api.ts';
import { connectTo } from '../support/kube-access.ts';
import { keptOf, reflect } from '../support/reflected.ts';

const PODS = 1_000;
const CHANGES = 2_000;

describe('the reflector with a thousand pods that churn', () => {
  it('lists once, watches once, and leaves nothing behind', async function () {
    this.timeout(20_000);
    const api = await FakeKubeApi.start();
    const metadata = (i: number) => ({ name: `pod-${i}`, namespace: 'serving' });
    for (let i = 0; i < PODS; i++) api.put({ metadata: metadata(i) });
    const client = await connectTo(api.url);
    const { reflector, sets, fact } = reflect(client);
    await fact('watching');
    for (let i = 0; i < CHANGES; i++) {
      const changed = metadata((i * 7) % PODS);
      if (i % 3 > 0) api.delete(changed);
      if (i % 3 < 2) api.put({ metadata: changed });
      // So that they come as they happen.
      if (i % 20 === 0) await new Promise(setImmediate);
    }
    await eventually('all is told', () => {
      const told = sets.all.at(-1)!;
      const objects = api.objects();
      return (
        told.size === objects.length &&
        [...keptOf(objects)].every(([key, { version }]) => told.get(key)?.version === version)
      );
    });
    assert.deepEqual([api.count('list'), api.count('page'), api.count('watch')], [1, PODS / 100 - 1, 1]);
    assert.isBelow(sets.all.length, CHANGES / 10);
    await reflector.stop();
    await client.close();
    await eventually('no connection is left', async () => (await api.connections()) === 0);
    await api.close();
  });
});
