import { assert } from 'chai';
import { objectBytesOf } from '../../src/explain/decision-bytes.ts';
import { DecisionLog, type DecisionLogOptions } from '../../src/explain/decision-log.ts';
import { type KeptDecision, keptDecision } from '../../src/explain/kept-decision.ts';
import type { DecisionRecord } from '../../src/explain/record.ts';
import { tellDecision } from '../../src/explain/tell.ts';
import { aPod, aRoutedDecision } from '../support/builders.ts';
import { collector } from '../support/memory.ts';
import { aRequest, NEVER, RouteBench } from '../support/route-bench.ts';

const LIMITS = { imbalanceRequests: 8, standardDeviationFactor: 1 };
const NOTHING = { id: undefined, model: undefined, pod: undefined, reason: undefined };

function aLog(options: Partial<DecisionLogOptions> = {}): DecisionLog {
  return new DecisionLog({ tell: kept => tellDecision(kept, LIMITS), ...options });
}

function aKept(id: string, given: Partial<KeptDecision> = {}): KeptDecision {
  return {
    ...keptDecision({
      request: { requestId: id, path: '/v1/completions', steering: 'steered' },
      ...{ traceId: undefined, atMs: 1_700_000_000_123, tookMs: 1.5 },
      decision: aRoutedDecision(),
      course: undefined,
    }),
    model: 'demo',
    ...given,
  };
}

const ids = (records: Iterable<DecisionRecord>) => Array.from(records, ({ id }) => id);

describe('the log of decisions', () => {
  it('keeps the last ones, newest first', () => {
    const log = aLog({ maxDecisions: 3 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) log.add(aKept(id));
    assert.equal(log.size, 3);
    assert.deepEqual(ids(log.recent(NOTHING, 10)), ['e', 'd', 'c']);
    assert.deepEqual(ids(log.recent(NOTHING, 2)), ['e', 'd']);
  });

  it('keeps no more bytes than it may, and counts down what it drops', () => {
    const of = objectBytesOf(aKept('a'));
    const log = aLog({ maxBytes: 3 * of + 10 });
    for (const id of ['a', 'b', 'c', 'd']) log.add(aKept(id));
    assert.deepEqual(ids(log.recent(NOTHING, 10)), ['d', 'c', 'b']);
    assert.equal(log.bytes, 3 * of);
    const long = aKept('x'.repeat(256));
    assert.isAbove(objectBytesOf(long), of);
    log.add(long);
    assert.equal(log.size, 2);
    assert.equal(log.bytes, of + objectBytesOf(long));
  });

  it('finds by request id, model, pod and reason, and by all of them together', () => {
    const log = aLog();
    const other = aRoutedDecision({ pod: aPod({ name: 'other', port: 9 }), reason: 'prefix_match' });
    log.add(aKept('a'));
    log.add(aKept('b', { model: 'llama', outcome: other }));
    log.add(aKept('a', { outcome: { ...other, reason: 'no_token_form', withoutTokens: 'no_token_form' } }));
    log.add(
      aKept('c', { outcome: { kind: 'rejected', error: 'unknown_model', why: undefined }, model: undefined }),
    );
    const found = (filter: Partial<typeof NOTHING> | Record<string, string>) =>
      ids(log.recent({ ...NOTHING, ...filter }, 10));
    assert.deepEqual(found({ id: 'a' }), ['a', 'a']);
    assert.deepEqual(found({ model: 'llama' }), ['b']);
    assert.deepEqual(found({ pod: 'other' }), ['a', 'b']);
    assert.deepEqual(found({ reason: 'no_token_form' }), ['a']);
    assert.deepEqual(found({ reason: 'unknown_model' }), ['c']);
    assert.deepEqual(found({ pod: 'other', model: 'llama', reason: 'prefix_match' }), ['b']);
    assert.deepEqual(found({ id: 'z' }), []);
  });

  it('takes down who served, unless others have taken the place', () => {
    const log = aLog({ maxDecisions: 2 });
    const [a, b] = [log.add(aKept('a')), log.add(aKept('b'))];
    log.add(aKept('c'));
    for (const number of [a, b]) log.served(number, { status: 200, pod: 'engine-9', answeredMs: 12 });
    const [c, told] = [...log.recent(NOTHING, 10)];
    assert.notProperty(c, 'served');
    assert.deepEqual(told?.served, { status: 200, pod: 'engine-9', answeredMs: 12 });
    assert.deepEqual(ids(log.recent({ ...NOTHING, pod: 'engine-9' }, 10)), ['b']);
  });

  it('counts all that there were, and puts nothing into words for nobody', () => {
    let told = 0;
    const log = aLog({
      maxDecisions: 2,
      tell: kept => {
        told++;
        return tellDecision(kept, LIMITS);
      },
    });
    for (const id of ['a', 'b', 'c'])
      log.served(log.add(aKept(id)), { status: 200, pod: 'x', answeredMs: 1 });
    assert.deepEqual([log.recorded, log.size, told], [3, 2, 0]);
  });

  it('bounds what clients choose', () => {
    const kept = keptDecision({
      request: { requestId: 'i'.repeat(60_000), path: `/v1/${'x'.repeat(60_000)}`, steering: 'steered' },
      ...{ traceId: undefined, atMs: 0, tookMs: 1 },
      decision: { kind: 'rejected', error: { kind: 'unknown_model', model: 'm'.repeat(100_000) } },
      course: {
        ...{ model: 'm'.repeat(100_000), tokens: undefined, prompt: undefined, considered: undefined },
        stages: { parse: 1, tokenize: undefined, match: undefined, hash: undefined, decide: undefined },
      },
    });
    assert.isBelow(JSON.stringify(kept).length, 1_500);
    assert.isUndefined(kept.model);
    assert.equal(kept.path, 'other');
  });

  it('counts about as many bytes as it takes', async () => {
    const bench = new RouteBench();
    bench.serving = Array.from({ length: 12 }, (_, i) => aPod({ name: `engine-${i}`, port: 1 + i }));
    const route = bench.create({});
    const log = aLog();
    const measure = collector();
    const fill = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const request = aRequest({ requestId: `${i}-0000-0000-0000-000000000000` });
        const { decision, course, release } = await route(request, NEVER);
        release();
        log.add(keptDecision({ request, traceId: undefined, atMs: i, decision, course, tookMs: i / 7 }));
      }
    };
    await fill(500);
    bench.tokenized.length = bench.looked.length = bench.remembered.length = 0;
    const [before, counted] = [await measure(), log.bytes];
    await fill(4_000);
    bench.tokenized.length = bench.looked.length = bench.remembered.length = 0;
    const taken = (await measure()) - before;
    assert.closeTo((log.bytes - counted) / taken, 1, 0.3);
  });
});
