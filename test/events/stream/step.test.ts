import { assert } from 'chai';
import { mayBeRetried } from '../../../src/events/stream/retry.ts';
import { INITIAL, type Replaying } from '../../../src/events/stream/state.ts';
import { step } from '../../../src/events/stream/step.ts';
import {
  APPLIED,
  CLEARED,
  CONNECTED,
  cold,
  coldAnywhere,
  DAMAGED,
  DISCONNECTED,
  DRAINING,
  describeRows,
  ENDED,
  EXPIRED,
  FAILED,
  FIRST,
  GAP,
  GAP_CONFIRMED,
  hear,
  IDLE,
  type Input,
  known,
  LIVE_EMPTY,
  live,
  lost,
  NEXT,
  NO_REPLAY,
  OVERFLOW,
  REFUSED,
  RETRY,
  type Row,
  RULES,
  replayed,
  replaying,
  type State,
  TRYING,
} from '../../support/stream-rows.ts';

const CONNECTING: Row[] = [
  [
    'asks for everything when it connects',
    INITIAL,
    CONNECTED,
    replaying({ why: 'first_contact' }),
    ['ask 0 first_contact'],
  ],
  ['is live with the very first batch', INITIAL, hear('A0'), live('A0'), ['live A0']],
  ['asks for what came before the first it hears', INITIAL, hear('A9'), FIRST, ['ask 0 first_contact']],
  [
    'asks, after a loss, for its last batch once more',
    lost('A4'),
    CONNECTED,
    replaying({ why: 'reconnected', from: 4, known: known('A4'), watermark: 5 }),
    ['ask 4 reconnected'],
  ],
  [
    'asks for everything after the loss of a connection that had brought nothing',
    lost(),
    CONNECTED,
    replaying({ why: 'first_contact' }),
    ['ask 0 first_contact'],
  ],
  ['takes nothing between two connections', lost('A4'), hear('A5'), lost('A4'), ['drop void 1']],
  ['not even a start', lost('A4'), hear('B0'), lost('A4'), ['drop void 1']],
  [
    'forgets when the next connection is too long in coming',
    lost('A4'),
    EXPIRED,
    { ...lost(), watermark: 5 },
    ['forget unverified'],
  ],
  ['forgets when it falls behind', lost('A4'), OVERFLOW, { ...lost(), watermark: 5 }, ['forget overflow']],
];

const FOLLOWING: Row[] = [
  ['applies the next batch', live('A4'), hear('A5'), live('A5'), ['live A5']],
  ['applies the first batch', LIVE_EMPTY, hear('A0'), live('A0'), ['live A0']],
  [
    'applies the next batch while cold',
    cold('A4', 'evicted'),
    hear('A5'),
    cold('A5', 'evicted'),
    ['live A5'],
  ],
  [
    'applies whatever comes first when nothing is known',
    coldAnywhere('replay_failed'),
    hear('A5'),
    cold('A5', 'replay_failed'),
    ['live A5'],
  ],
  [
    'is live with a first batch',
    cold('A4', 'evicted'),
    hear('B0'),
    live('B0'),
    ['forget restart', 'live B0'],
  ],
  [
    'is live with a first batch when nothing was known',
    coldAnywhere('overflow'),
    hear('B0'),
    live('B0'),
    ['live B0'],
  ],
  ['asks from its last batch on after a gap', live('A4'), hear('A9'), GAP, ['gap 4', 'ask 4 gap']],
  [
    'stays cold while it asks',
    cold('A4', 'evicted'),
    hear('A9'),
    replaying({ from: 4, known: known('A4', 'evicted'), pending: ['A9'] }),
    ['gap 4', 'ask 4 gap'],
  ],
  [
    'asks for everything after a gap at the start',
    LIVE_EMPTY,
    hear('A2'),
    replaying({ pending: ['A2'] }),
    ['gap 2', 'ask 0 gap'],
  ],
  ['drops the last batch when it comes twice', live('A4'), hear('A4'), live('A4'), ['drop duplicate 1']],
  ['drops what a replay had', live('A4', 2), hear('A2'), live('A4', 3), ['drop covered 1']],
  [
    'drops the last of what a replay had',
    { ...live('A4'), watermark: undefined } as State,
    hear('A4'),
    live('A4'),
    ['drop covered 1'],
  ],
  [
    'asks who speaks when the first that is heard is older than what was replayed',
    { ...live('A4'), watermark: undefined } as State,
    hear('A3'),
    replaying({ why: 'unverified', from: 3, known: known('A4'), pending: ['A3'] }),
    ['ask 3 unverified'],
  ],
  [
    'forgets and asks for everything when the sequence goes back',
    live('A4'),
    hear('B2'),
    replaying({ why: 'restart', pending: ['B2'] }),
    ['forget restart', 'ask 0 restart'],
  ],
  ['starts anew at 0', live('A4'), hear('B0'), live('B0'), ['forget restart', 'live B0']],
  ['keeps what is known when the connection is lost', live('A4'), DISCONNECTED, lost('A4'), []],
  ['keeps what is known in part, too', cold('A4', 'hole'), DISCONNECTED, lost('A4', 'hole'), []],
  ['forgets when it falls behind', live('A4'), OVERFLOW, cold('A4', 'overflow'), ['forget overflow']],
  ['forgets at a damaged batch', live('A4'), DAMAGED, cold('A4', 'damaged'), ['forget damaged']],
  ['forgets at one that was applied in part', live('A4'), FAILED, cold('A4', 'damaged'), ['forget damaged']],
  ['is live when the cache was cleared', cold('A4', 'damaged'), CLEARED, live('A4'), []],
  ['asks for everything once more', cold('A4', 'overflow'), RETRY, TRYING, ['ask 0 retry']],
  [
    'asks for everything once more when nothing is known',
    coldAnywhere('replay_failed'),
    RETRY,
    replaying({ why: 'retry' }),
    ['ask 0 retry'],
  ],
];

const WITHOUT_REPLAY: Row[] = [
  ['only waits when it connects', INITIAL, CONNECTED, INITIAL, []],
  ['is cold with what it hears first', INITIAL, hear('A9'), cold('A9', 'no_replay'), ['live A9']],
  ['is live with the very first batch', INITIAL, hear('A0'), live('A0'), ['live A0']],
  ['forgets when the connection has changed', lost('A4'), CONNECTED, INITIAL, ['forget unverified']],
  ['has nothing to forget when nothing was known', lost(), CONNECTED, INITIAL, []],
  [
    'forgets after a gap',
    live('A4'),
    hear('A9'),
    cold('A9', 'no_replay'),
    ['gap 4', 'forget gap', 'live A9'],
  ],
  [
    'forgets when the sequence goes back',
    live('A4'),
    hear('B2'),
    cold('B2', 'no_replay'),
    ['forget restart', 'live B2'],
  ],
  ['asks for nothing', cold('A4', 'overflow'), RETRY, cold('A4', 'overflow'), []],
];

const NOTHING: [state: string, from: State, inputs: readonly Input[]][] = [
  [
    'connecting',
    INITIAL,
    [DISCONNECTED, replayed('A0'), ENDED, IDLE, REFUSED, OVERFLOW, DAMAGED, CLEARED, NEXT, RETRY],
  ],
  [
    'connecting again',
    lost('A4'),
    [DISCONNECTED, replayed('A5'), ENDED, IDLE, REFUSED, DAMAGED, CLEARED, NEXT, RETRY],
  ],
  [
    'live',
    live('A4'),
    [APPLIED, NEXT, CONNECTED, replayed('A5'), ENDED, IDLE, REFUSED, CLEARED, EXPIRED, RETRY],
  ],
  ['cold', cold('A4', 'evicted'), [APPLIED, NEXT, CONNECTED, replayed('A5'), ENDED, IDLE, REFUSED, RETRY]],
  ['cold, with nothing known', coldAnywhere('hole'), [CONNECTED, CLEARED]],
  ['replaying', FIRST, [CONNECTED, DAMAGED, CLEARED, EXPIRED, NEXT, RETRY]],
  ['replaying, with a part of it applied', GAP_CONFIRMED, [APPLIED]],
  ['draining', DRAINING, [APPLIED, CONNECTED, replayed('A5'), ENDED, IDLE, REFUSED, EXPIRED, RETRY]],
];

describe('the state of a publisher', () => {
  describeRows('connecting', CONNECTING);
  describeRows('live and cold', FOLLOWING);
  describeRows('of one that does not replay', WITHOUT_REPLAY, NO_REPLAY);

  for (const [title, from, inputs] of NOTHING) {
    for (const input of inputs) {
      it(`does not change by ${input.kind} while ${title}`, () => {
        assert.deepEqual(step(from, input, RULES), { state: from, effects: [] });
      });
    }
  }

  it('may be mended by another replay unless the batches are gone for good', () => {
    const mendable = (
      ['no_replay', 'replay_failed', 'evicted', 'hole', 'overflow', 'damaged'] as const
    ).filter(why => mayBeRetried(cold('A4', why), RULES));
    assert.deepEqual(mendable, ['replay_failed', 'hole', 'overflow']);
    assert.isFalse(mayBeRetried(live('A4'), RULES));
  });

  it('waits for a long replay in time that grows with its length', () => {
    const rules = { ...RULES, maxPendingMessages: 100_000, maxPendingBytes: 10_000_000 };
    let state: State = FIRST;
    for (let i = 10; i < 50_000; i++) state = step(state, hear(`A${i}`), rules).state;
    assert.equal((state as Replaying<string>).pending.count, 49_991);
  });
});
