import { assert } from 'chai';
import type { DecisionRecord } from '../../../src/explain/record.ts';
import { type Admin, startAdmin } from '../../../src/ops/admin/admin.ts';
import { decisionRoutes } from '../../../src/ops/admin/decision-routes.ts';

describe('the list of decisions', () => {
  let admin: Admin;
  afterEach(() => admin.stop());

  it('is put into words a part in each turn of the event loop, however many ask', async () => {
    let [inTurn, most] = [0, 0];
    function* recent(_: unknown, limit: number): Generator<DecisionRecord> {
      for (let i = 0; i < limit; i++) {
        if (inTurn++ === 0)
          setImmediate(() => {
            inTurn = 0;
          });
        most = Math.max(most, inTurn);
        yield { id: `r-${i}` } as DecisionRecord;
      }
    }
    const dryRun = () => assert.fail('nobody asked for one');
    admin = await startAdmin({
      ...{ host: '127.0.0.1', port: 0, operators: 'loopback', hosts: [] },
      routes: decisionRoutes({ recent, dryRun, defaultMode: 'BUFFERED' }),
    });
    const list = async (): Promise<{ readonly decisions: readonly DecisionRecord[] }> => {
      const response = await fetch(`http://127.0.0.1:${admin.port}/debug/decisions?limit=200`);
      return (await response.json()) as never;
    };
    for (const { decisions } of await Promise.all([list(), list(), list()]))
      assert.deepEqual([decisions.length, decisions.at(-1)?.id], [200, 'r-199']);
    assert.isAtMost(most, 21);
  });
});
