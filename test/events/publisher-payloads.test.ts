import { assert } from 'chai';
import { RankIngest } from '../../src/events/ingest/rank-ingest.ts';
import { Publisher } from '../../src/events/publisher.ts';
import { DEFAULT_LIMITS } from '../../src/events/publisher-limits.ts';
import { monotonicClock, wallClock } from '../../src/time.ts';
import { HASHER } from '../support/blocks.ts';
import { aCacheState } from '../support/builders.ts';
import { batchOf } from '../support/kv-events.ts';
import { aWire } from '../support/wire.ts';

describe('the payloads of a publisher', () => {
  let needless: Uint8Array[];
  let publisher: Publisher;

  beforeEach(() => {
    needless = [];
    publisher = new Publisher({
      feed: new RankIngest({ pod: 'a', rank: 0, model: 'demo', cache: aCacheState(), hasher: HASHER }),
      source: { kind: 'received' },
      replayEndpoint: undefined,
      limits: DEFAULT_LIMITS,
      now: monotonicClock,
      wallClock,
      sleep: () => Promise.reject(new Error('nothing has to wait')),
      onFact: () => {},
      wire: aWire(),
      onRelease: payload => needless.push(payload),
    });
  });

  afterEach(() => publisher.stop());

  const receive = (sequence: number) => {
    const payload = batchOf(['AllBlocksCleared'], sequence);
    publisher.receive({ sequence, payload, waited: false });
    return payload;
  };

  it('are needed until the next one is there: a repetition is known by them', () => {
    const first = receive(0);
    assert.isEmpty(needless);
    const second = receive(1);
    assert.deepEqual(needless, [first]);
    receive(1);
    assert.deepEqual(needless, [first], 'the repetition leaves the payload that it is compared with');
    receive(2);
    assert.deepEqual(needless, [first, second]);
  });

  it('are given up where the stream begins anew, too', () => {
    const first = receive(0);
    const behindAGap = receive(7);
    assert.deepEqual(needless, [first]);
    receive(8);
    assert.deepEqual(needless, [first, behindAGap]);
  });
});
