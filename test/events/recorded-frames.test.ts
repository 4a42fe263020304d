import { assert } from 'chai';
import { decodeBatch } from '../../src/events/decoding/decoder.ts';
import { hex, recordedFrames, recordedPayloads, scenarios, VERSIONS } from '../support/kv-events.ts';
import { naiveBatch } from '../support/naive-decoder.ts';

for (const version of VERSIONS) {
  const recordings: Record<string, Buffer[]> = recordedPayloads(version);
  for (const [name, { payloads }] of Object.entries(scenarios(version))) {
    recordings[name] = payloads.map(hex);
  }
  if (version === '0.32.0') {
    for (const name of ['bytes', 'restart'] as const) {
      recordings[name] = recordedFrames(name).map(([, , payload]) => payload!);
    }
  }

  describe(`what vLLM ${version} published`, () => {
    for (const [name, payloads] of Object.entries(recordings)) {
      it(`decodes, whole and with nothing skipped, as a general decoder reads it: ${name}`, () => {
        assert.isNotEmpty(payloads);
        for (const payload of payloads) {
          const batch = decodeBatch(payload);
          assert.deepEqual(batch, { kind: 'batch', ...naiveBatch(payload), skipped: [], whole: true });
        }
      });
    }

    it('tells the rank and a time of this century', () => {
      for (const payload of Object.values(recordings).flat()) {
        const batch = decodeBatch(payload);
        assert.equal(batch.kind, 'batch');
        if (batch.kind !== 'batch') continue;
        assert.equal(batch.rank, 0);
        assert.isAbove(batch.at, 1_700_000_000);
      }
    });
  });
}
