import { assert } from 'chai';
import type { EnvoyFile } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { type EngineFleet, envoyReady, MODEL, startEngineFleet } from '../support/fleet.ts';

const FILES: readonly EnvoyFile[] = [
  'warmroute.yaml',
  'original-dst.yaml',
  'endpoint-picker.yaml',
  'aibrix.yaml',
];
/** So often that going there by chance is out of the question. */
const TIMES = 6;

for (const file of FILES) {
  describe(`Responses that an engine keeps (${file})`, function () {
    this.timeout(30_000);
    let fleet: EngineFleet;

    before(async function () {
      await envoyReady.call(this);
      fleet = await startEngineFleet({ file, engines: 2, engineOptions: { responses: 'kept' } });
    });
    after(() => fleet?.stop());

    const ask = (input: string, more: object = {}) =>
      fleet.post('/v1/responses', { model: MODEL, input, max_output_tokens: 8, ...more });

    /** Who keeps it: there is no other way to be sure. */
    async function keeperOf(id: string): Promise<string> {
      const keepers: string[] = [];
      for (const { name, url } of fleet.engines) {
        const { status, body } = await fetch(`${url}/v1/responses/${id}`);
        await body?.cancel();
        if (status === 200) keepers.push(name);
      }
      assert.lengthOf(keepers, 1);
      return keepers[0]!;
    }

    async function staysWith(id: string): Promise<string> {
      const keeper = await keeperOf(id);
      for (let i = 0; i < TIMES; i++) {
        const shown = await fleet.get(`/v1/responses/${id}?stream=false`);
        assert.equal(shown.status, 200, shown.text);
        assert.deepInclude(shown.decision, { pod: keeper, reason: 'response_owner' });
        assert.equal(JSON.parse(shown.text).id, id);
        const cancelled = await fleet.post(`/v1/responses/${id}/cancel`, {});
        assert.equal(cancelled.status, 400);
        assert.include(cancelled.text, 'Cannot cancel a synchronous response.');
        const next = await ask(`and then, ${i}?`, { previous_response_id: id, stream: i % 2 === 1 });
        assert.equal(next.status, 200, next.text);
        assert.deepInclude(next.decision, { pod: keeper, reason: 'response_owner' });
      }
      return keeper;
    }

    it('are continued, shown and cancelled where they were made', async () => {
      const keepers = new Set<string>();
      for (let i = 0; i < 60 && keepers.size < 2; i++) {
        const made = await ask(`a question of its own, number ${i}`);
        keepers.add(await staysWith(JSON.parse(made.text).id));
      }
      assert.equal(keepers.size, 2);
    });

    it('also when they are streamed, which goes on as it was', async () => {
      const made = await ask('a question that is answered bit by bit', {
        stream: true,
        max_output_tokens: 40,
      });
      const events = [...made.text.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data!));
      assert.equal(events[0].type, 'response.created');
      assert.equal(events.at(-1).type, 'response.completed');
      assert.deepEqual(
        events.map(event => event.sequence_number),
        [...events.keys()],
      );
      await staysWith(events[0].response.id);
    });

    it('also those with an id of the client’s own, compressed requests, and a whole chain of them', async () => {
      let id = 'mine-1';
      await ask('start', { request_id: id });
      const keeper = await keeperOf(id);
      for (let i = 0; i < TIMES; i++) {
        const next = await ask('go on', { previous_response_id: id });
        assert.equal(next.status, 200, next.text);
        id = JSON.parse(next.text).id;
        assert.equal(await keeperOf(id), keeper);
      }
    });

    it('by load where nobody knows it: the engine says so', async () => {
      const { status, text, decision } = await fleet.get('/v1/responses/resp_unknown');
      assert.equal(status, 404);
      assert.include(text, 'resp_unknown');
      assert.equal(decision?.reason, 'any_pod');
      const next = await ask('x', { previous_response_id: 'resp_unknown' });
      assert.equal(next.status, 404);
      assert.notEqual(next.decision?.reason, 'response_owner');
    });

    it('leave nothing in flight', async () => {
      await eventually('nothing is in flight', async () => (await fleet.inFlight()) === 0);
    });
  });
}
