/** Streams that break again and again, of two publishers, or with the replay of another process. */
import { assert } from 'chai';
import { type Breaks, UNBROKEN } from '../../../src/events/stream/breaks.ts';
import { mayBeRetried } from '../../../src/events/stream/retry.ts';
import {
  CONNECTED,
  cold,
  coldAnywhere,
  DRAINING,
  describeRows,
  draining,
  ENDED,
  GAP,
  GAP_CONFIRMED,
  GROWN,
  hear,
  IDLE,
  type Input,
  known,
  LIVE_EMPTY,
  live,
  lost,
  NO_REPLAY,
  RETRY,
  type Row,
  RULES,
  replayed,
  replaying,
  type State,
  TRYING,
} from '../../support/stream-rows.ts';

const broken = (state: State, breaks: Partial<Breaks>): State => ({
  ...state,
  breaks: { ...UNBROKEN, ...breaks },
});
/** No more may be asked for. */
const spent = (state: State) => broken(state, { requests: RULES.maxRequests });
/** One turn more, and they are two. */
const suspected = (state: State) => broken(state, { turns: 7 });
const denied = (input: Input): Input => ({ ...input, denied: true }) as Input;

const BACKING_OFF: Row[] = [
  [
    'forgets at a gap',
    spent(live('A4')),
    hear('A9'),
    cold('A9', 'backing_off'),
    ['gap 4', 'forget gap', 'live A9'],
  ],
  [
    'forgets when the sequence goes back',
    spent(live('A4')),
    hear('B2'),
    cold('B2', 'backing_off'),
    ['forget restart', 'live B2'],
  ],
  [
    'forgets when it cannot ask who speaks',
    spent({ ...live('A4'), watermark: undefined } as State),
    hear('A3'),
    cold('A3', 'backing_off'),
    ['forget restart', 'live A3'],
  ],
  ['is live with a first batch', spent(live('A4')), hear('B0'), live('B0'), ['forget restart', 'live B0']],
  [
    'forgets when the sequence goes back while it waits',
    spent(GAP),
    hear('B2'),
    cold('B2', 'backing_off'),
    ['end', 'drop void 1', 'forget restart', 'live B2'],
  ],
  [
    'goes on without what a replay leaves out',
    spent(GAP_CONFIRMED),
    replayed('A8'),
    replaying({ from: 4, known: known('A8', 'hole'), ...GROWN, pending: ['A9'] }),
    ['forget hole', 'replay A8'],
  ],
  [
    'goes on without what is missing before what waits',
    spent(GAP_CONFIRMED),
    ENDED,
    cold('A9', 'hole'),
    ['forget hole', 'pending A9'],
  ],
  [
    'does not ask another process',
    spent(GAP),
    replayed('B4'),
    coldAnywhere('backing_off'),
    ['end', 'drop void 1', 'forget restart'],
  ],
  [
    'does not ask for the rest of a replay that has stopped',
    spent(GAP_CONFIRMED),
    IDLE,
    cold('A9', 'replay_failed'),
    ['forget replay_failed', 'pending A9'],
  ],
  [
    'forgets what it cannot verify on another connection',
    spent(lost('A4')),
    CONNECTED,
    coldAnywhere('backing_off'),
    ['forget unverified'],
  ],
  [
    'tries again after a wait',
    spent(cold('A4', 'backing_off')),
    RETRY,
    TRYING_OF('backing_off'),
    ['ask 0 retry'],
  ],
  ['may ask when it is calm', spent(live('A4')), { kind: 'calm' }, live('A4'), []],
];

function TRYING_OF(why: 'backing_off'): State {
  return replaying({ why: 'retry', known: known('A4', why), watermark: 5 });
}

const TWO: Row[] = [
  [
    'believes nothing when the numbers go to and fro',
    broken(live('A4'), { turns: 7, left: [9] }),
    hear('B9'),
    { ...coldAnywhere('two_publishers'), watermark: 10 } as State,
    ['drop void 1', 'forget two_publishers'],
  ],
  [
    'nor when other bytes come under the same number',
    suspected(live('A4')),
    hear('B4'),
    { ...coldAnywhere('two_publishers'), watermark: 5 } as State,
    ['drop void 1', 'forget two_publishers'],
  ],
  [
    'nor of what waits',
    suspected(GAP),
    hear('B9'),
    { ...coldAnywhere('two_publishers'), watermark: 10 } as State,
    ['end', 'drop void 2', 'forget two_publishers'],
  ],
  [
    'nor of what is being applied',
    suspected(DRAINING),
    hear('B9'),
    { ...coldAnywhere('two_publishers'), watermark: 10 } as State,
    ['drop void 3', 'forget two_publishers'],
  ],
  [
    'takes nothing from then on',
    coldAnywhere('two_publishers'),
    hear('B5'),
    { ...coldAnywhere('two_publishers'), watermark: 6 } as State,
    ['drop void 1'],
  ],
  [
    'tries after a wait',
    { ...coldAnywhere('two_publishers'), watermark: 6 } as State,
    RETRY,
    replaying({ why: 'retry' }),
    ['ask 0 retry'],
  ],
];

const FOREIGN: Row[] = [
  [
    'forgets what it has brought',
    GAP_CONFIRMED,
    denied(replayed('B9')),
    cold('A9', 'foreign_replay'),
    ['end', 'forget foreign_replay', 'pending A9'],
  ],
  [
    'keeps what was heard, where it is another try',
    TRYING,
    denied(replayed('B3')),
    cold('A4', 'foreign_replay'),
    ['end'],
  ],
  [
    'but not across a gap',
    replaying({ why: 'retry', known: known('A4', 'hole'), pending: ['A9'] }),
    denied(replayed('B3')),
    cold('A9', 'foreign_replay'),
    ['end', 'forget foreign_replay', 'pending A9'],
  ],
  [
    'believes what is heard rather than what was replayed',
    live('A9', 2),
    denied(hear('B5')),
    replaying({ why: 'restart', pending: ['B5'] }),
    ['forget restart', 'ask 0 restart'],
  ],
  [
    'also while it waits',
    GAP_CONFIRMED,
    denied(hear('B10')),
    replaying({ why: 'restart', pending: ['B10'] }),
    ['drop void 1', 'forget restart', 'ask 0 restart'],
  ],
  [
    'does not ask for a gap',
    cold('A4', 'foreign_replay'),
    hear('A9'),
    cold('A9', 'foreign_replay'),
    ['gap 4', 'forget gap', 'live A9'],
  ],
  [
    'asks for the last batch first, after a wait',
    cold('A4', 'foreign_replay'),
    RETRY,
    replaying({
      why: 'retry',
      phase: 'comparing',
      from: 4,
      known: known('A4', 'foreign_replay'),
      watermark: 5,
    }),
    ['ask 4 retry'],
  ],
  [
    'also after a hole',
    cold('A4', 'hole'),
    RETRY,
    replaying({ why: 'retry', phase: 'comparing', from: 4, known: known('A4', 'hole'), watermark: 5 }),
    ['ask 4 retry'],
  ],
  [
    'and for everything if that is the one that was heard',
    replaying({ why: 'retry', phase: 'comparing', from: 4, known: known('A4', 'hole'), watermark: 5 }),
    replayed('A4'),
    replaying({ why: 'retry', known: known('A4', 'hole'), watermark: 5 }),
    ['ask 0 retry'],
  ],
  [
    'and for nothing if it is another',
    replaying({ why: 'retry', phase: 'comparing', from: 4, known: known('A4', 'hole'), watermark: 5 }),
    replayed('B4'),
    cold('A4', 'foreign_replay'),
    ['end'],
  ],
  [
    'or if there is none',
    replaying({ why: 'retry', phase: 'comparing', from: 4, known: known('A4', 'hole'), watermark: 5 }),
    ENDED,
    cold('A4', 'hole'),
    [],
  ],
];

const FROM_1: Row[] = [
  [
    'does not know whether there was a batch before it',
    replaying({ why: 'first_contact' }),
    replayed('A1'),
    replaying({ why: 'first_contact', known: known('A1', 'begins_at_1'), ...GROWN }),
    ['replay A1'],
  ],
  [
    'asks with the next batch',
    cold('A4', 'begins_at_1'),
    hear('A5'),
    replaying({ why: 'begins_at_1', phase: 'probing', known: known('A4', 'begins_at_1'), pending: ['A5'] }),
    ['ask 0 begins_at_1'],
  ],
  [
    'goes on without an answer where it may not ask',
    spent(cold('A4', 'begins_at_1')),
    hear('A5'),
    cold('A5', 'begins_at_1'),
    ['live A5'],
  ],
];
const PROBING = replaying({
  ...{ why: 'begins_at_1', phase: 'probing', known: known('A4', 'begins_at_1'), pending: ['A5', 'A6'] },
});
const REST = (cold?: 'evicted') => draining({ known: known('A5', cold), pending: ['A6'], grew: true });
FROM_1.push(
  ['is live when it begins there still', PROBING, replayed('A1'), REST(), ['end', 'pending A5']],
  ['is a part when it does not', PROBING, replayed('A2'), REST('evicted'), ['end', 'pending A5']],
  ['is a part when nobody says so', PROBING, IDLE, REST('evicted'), ['end', 'pending A5']],
  ['is a part when nothing is left', PROBING, ENDED, REST('evicted'), ['end', 'pending A5']],
);

const HEARTBEATS: Row[] = [
  ['is nothing new', live('A4'), hear('E4'), live('A4'), ['drop duplicate 1']],
  ['is nothing new where a replay was ahead', live('A4', 2), hear('E4'), live('A4', 5), ['drop duplicate 1']],
  ['is nothing new while it waits', GAP, hear('E9'), GAP, ['drop duplicate 1']],
  [
    'shows a gap',
    live('A4'),
    hear('E6'),
    replaying({ from: 4, known: known('A4'), pending: ['E6'] }),
    ['gap 1', 'ask 4 gap'],
  ],
  [
    'shows another process',
    live('A4'),
    hear('E2'),
    replaying({ why: 'restart', pending: ['E2'] }),
    ['forget restart', 'ask 0 restart'],
  ],
];

describe('a stream that is wrong', () => {
  describeRows('breaks again and again', BACKING_OFF);
  describeRows('is two publishers’', TWO);
  describeRows('has the replay of another process', FOREIGN);
  describeRows('begins with batch 1', FROM_1);
  describeRows('has heartbeats', HEARTBEATS);
  describeRows(
    'is two publishers’ without a replay',
    [['begins anew after a wait', coldAnywhere('two_publishers'), RETRY, coldAnywhere('no_replay'), []]],
    NO_REPLAY,
  );

  it('is tried again after a wait', () => {
    for (const why of ['backing_off', 'two_publishers', 'foreign_replay'] as const)
      assert.isTrue(mayBeRetried(cold('A4', why), RULES), why);
    assert.isTrue(mayBeRetried(coldAnywhere('two_publishers'), NO_REPLAY));
    assert.isFalse(mayBeRetried(coldAnywhere('foreign_replay'), RULES), 'it would be believed once more');
    assert.isFalse(mayBeRetried(LIVE_EMPTY, RULES));
  });
});
