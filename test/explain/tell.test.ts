/** What is told of decisions as the read path makes them. */
import { assert } from 'chai';
import type { Pod, Reason } from '../../src/domain.ts';
import { keptDecision } from '../../src/explain/kept-decision.ts';
import type { DecisionRecord } from '../../src/explain/record.ts';
import { tellDecision } from '../../src/explain/tell.ts';
import { TokenizerError } from '../../src/prompt/tokenizer.ts';
import type { RouteParts, RouteRequest } from '../../src/routing/route.ts';
import { createZonePenalties } from '../../src/routing/strategies/zone-penalties.ts';
import { anEngineLoad, aPod } from '../support/builders.ts';
import { a, aRequest, b, c, NEVER, RouteBench } from '../support/route-bench.ts';

const LIMITS = { imbalanceRequests: 8, standardDeviationFactor: 1 };

let bench: RouteBench;

/** How the router over fakes decides, in words. */
async function told(
  given: Partial<RouteRequest> = {},
  { body, parts = {} }: { readonly body?: unknown; readonly parts?: Partial<RouteParts> } = {},
): Promise<DecisionRecord> {
  const request = aRequest(given, body ?? { model: 'demo', prompt: 'Hi' });
  const route = bench.create({ random: () => 0, ...parts });
  const { decision, course } = await route(request, NEVER);
  const times = { traceId: undefined, atMs: 1_700_000_000_123, tookMs: 1.5 };
  return tellDecision(keptDecision({ request, decision, course, ...times }), LIMITS);
}

const verdicts = ({ candidates }: DecisionRecord) =>
  candidates.map(({ pod, verdict }) => `${pod}: ${verdict}`);
const busy = (pod: typeof a, requests: number) => {
  for (let i = 0; i < requests; i++) bench.load.begin(pod);
};

describe('what is told of a decision', () => {
  beforeEach(() => {
    bench = new RouteBench();
  });

  it('says of a request that Envoy balances that nothing of it was done', async () => {
    for (const [steering, left, setting] of [
      ['left', 'rollout', 'WARMROUTE_ROLLOUT_PERCENT'],
      ['observed', 'shadow', 'WARMROUTE_MODE=shadow'],
    ] as const) {
      const record = await told({ steering });
      assert.equal(record.left, left);
      assert.match(record.policy.at(-1)!, new RegExp(`^Not done: .*${setting}`));
    }
    assert.notProperty(await told(), 'left');
  });

  it('is the whole of it', async () => {
    bench.held = { a: 3, b: 7 };
    bench.offGpu = { b: { cpu: 2, storage: 1 } };
    bench.ranks = { b: 1 };
    busy(a, 1);
    const { stages, ...record } = await told({ requestId: 'r-7' });
    assert.deepEqual(record, {
      ...{
        id: 'r-7',
        at: '2023-11-14T22:13:20.123Z',
        path: '/v1/completions',
        model: 'demo',
        outcome: 'routed',
      },
      ...{ strategy: 'prefix-cache', reason: 'prefix_match', pod: 'b', endpoint: '127.0.0.1:2', rank: 1 },
      ...{ retries: ['c', 'a'], totalBlocks: 10, matchedBlocks: 7, offGpu: { cpu: 2, storage: 1 } },
      ...{ tokens: 3, blockSizeTokens: 16 },
      candidates: [
        {
          ...{
            pod: 'b',
            endpoint: '127.0.0.1:2',
            health: 'unknown',
            running: 0,
            matchedBlocks: 7,
            totalBlocks: 10,
          },
          ...{ cpu: 2, storage: 1, score: 70, verdict: 'holds the most, not too busy' },
        },
        {
          ...{
            pod: 'a',
            endpoint: '127.0.0.1:1',
            health: 'unknown',
            running: 1,
            matchedBlocks: 3,
            totalBlocks: 10,
          },
          ...{ cpu: 0, storage: 0, score: 30, verdict: 'too busy: 1 > 0.91' },
        },
        {
          ...{
            pod: 'c',
            endpoint: '127.0.0.1:3',
            health: 'unknown',
            running: 0,
            matchedBlocks: 0,
            totalBlocks: 10,
          },
          ...{ cpu: 0, storage: 0, score: 0, verdict: 'holds nothing of it' },
        },
      ],
      candidatesLeftOut: 0,
      policy: [
        '3 pods serve the model.',
        'The prompt has 3 tokens: 10 full blocks of 16.',
        'Requests in flight on 3 pods: least 0, most 1, mean 0.33.',
        'The load is even enough: most − least = 1, not above 8: all are looked at.',
        'A pod is too busy above mean + 1 × deviation = 0.33 + 1 × 0.58 = 0.91 in flight.',
        'Of these, 2 hold the beginning of the prompt; too busy: 1.',
        'The longest match of the others: 70 %, by b with 0 in flight.',
        'If it does not answer: c, then a.',
      ],
      tookMicroseconds: 1_500,
    });
    assert.deepEqual(
      stages.map(({ stage }) => stage),
      ['parse', 'tokenize', 'match', 'hash', 'decide'],
    );
  });

  it('says that a request was drawn to compare with, and how that was balanced', async () => {
    bench.held = { b: 7 };
    busy(b, 1);
    const record = await told({}, { parts: { drawsControl: () => true } });
    assert.deepInclude(record, { reason: 'control', pod: 'a' });
    assert.include(
      record.policy,
      'Drawn for the control share (WARMROUTE_CONTROL_PERCENT): balanced as if nothing was known of prefixes.',
    );
    assert.deepEqual(verdicts(record), ['a: least loaded: 0', 'c: equal, another was drawn', 'b: busier']);
  });

  it('names who is tried next once, and says where there is nobody else', async () => {
    bench.serving = [a, b];
    const two = await told();
    assert.include(two.policy, `If it does not answer: ${two.pod === 'a' ? 'b' : 'a'}.`);
    bench.serving = [a];
    assert.include((await told()).policy, 'If it does not answer: a again, as there is no other.');
  });

  it('says of each candidate why another one was taken, by the prefix', async () => {
    bench.serving = [a, b, c, aPod({ name: 'd', port: 4 }), aPod({ name: 'e', port: 5 })];
    bench.held = { a: 7, b: 7, c: 7, d: 3 };
    for (const pod of [a, b, c]) busy(pod, 1);
    busy(c, 1);
    const record = await told();
    assert.deepEqual(verdicts(record), [
      'a: holds the most, not too busy',
      'b: equal, another was drawn',
      'c: too busy: 2 > 1.64',
      'd: holds less',
      'e: holds nothing of it',
    ]);
    assert.include(
      record.policy,
      'The longest match of the others: 70 %, by a with 1 in flight; it was drawn from 2 equals.',
    );
  });

  it('says what another zone costs, and where each candidate is', async () => {
    const near = aPod({ name: 'near', port: 1, zone: 'eu-1a' });
    const far = aPod({ name: 'far', port: 2, zone: 'eu-1b' });
    const unknown = aPod({ name: 'unknown', port: 3 });
    const zonePenalties = createZonePenalties('eu-1a', 20);
    const said = async (serving: readonly Pod[], held: Record<string, number>) => {
      Object.assign(bench, { serving, held });
      return told({ strategy: 'prefix-cost' }, { parts: { zonePenalties } });
    };
    const sentences = ({ policy }: DecisionRecord) => policy.filter(each => each.includes('zone'));
    const local = await said([near, far], {});
    assert.match(
      verdicts(local).join('; '),
      /^near: soonest: [\d.]+ ms, zone eu-1a; far: later: 2[\d.]+ ms, zone eu-1b$/,
    );
    assert.deepEqual(sentences(local), [
      'A pod in another zone than the router costs 20 ms more: near is in the router’s own, eu-1a.',
    ]);
    const free = createZonePenalties('eu-1a', 0);
    const plain = await told({ strategy: 'prefix-cost' }, { parts: { zonePenalties: free } });
    assert.notInclude([...plain.policy, ...verdicts(plain)].join(), 'zone');
    assert.deepEqual(sentences(await said([unknown, far], {})), [
      'A pod in another zone than the router costs 20 ms more: unknown has no known zone, and does not.',
    ]);
    // What was sent there above.
    bench.work.forget(far);
    assert.deepEqual(sentences(await said([far, { ...far, name: 'farther', port: 4 }], { far: 1 })), [
      'A pod in another zone than the router costs 20 ms more: far is in eu-1b.',
    ]);
  });

  it('says who is not looked at while the load is uneven, and who is too busy', async () => {
    bench.held = { a: 7 };
    busy(a, 9);
    busy(b, 1);
    const uneven = await told();
    assert.equal(uneven.reason, 'no_match');
    assert.deepEqual(verdicts(uneven), [
      'a: not looked at: busier by 9',
      'c: least loaded',
      'b: not looked at: busier by 1',
    ]);
    assert.include(
      uneven.policy,
      'The load is uneven: most − least = 9, above 8: only pods with 0 in flight are looked at.',
    );
    assert.include(uneven.policy, 'Of these, none holds the beginning of the prompt.');

    bench = new RouteBench();
    bench.held = { a: 7 };
    busy(a, 2);
    const skipped = await told();
    assert.equal(skipped.reason, 'prefix_match_skipped');
    assert.deepEqual(verdicts(skipped), [
      'a: too busy: 2 > 1.82',
      'b: least loaded',
      'c: equal, another was drawn',
    ]);
  });

  const ENGINES = { a: anEngineLoad({ kvUsage: 0.5 }), b: anEngineLoad({ kvUsage: 0.25 }) };

  for (const [strategy, scores, words, step] of [
    [
      'least-request',
      [0, 1, 2],
      ['c: least loaded: 0', 'b: busier', 'a: busier'],
      'c is one of the least loaded.',
    ],
    [
      'random',
      [null, null, null],
      ['a: drawn at random', 'c: not drawn', 'b: not drawn'],
      'a was drawn at random.',
    ],
    [
      'round-robin',
      [null, null, null],
      ['a: its turn', 'c: not its turn', 'b: not its turn'],
      'Pods take turns: decision 0 of this model goes to place 0 of 3, counted from 0.',
    ],
    [
      'power-of-two',
      [1, 0, 2],
      ['b: drawn, not the busier of two', 'c: not drawn', 'a: busier'],
      'Drawn at random: a (2) and b (1); the less loaded is taken.',
    ],
    [
      'session-affinity',
      [0, 1, 2],
      ['c: least loaded: 0', 'b: busier', 'a: busier'],
      'The request names no session of one of the candidates.',
    ],
    [
      'least-gpu-cache',
      [0.25, 0.5, null],
      ['b: the least, by its engine', 'a: more, by its engine', 'c: its engine has not said'],
      'least-gpu-cache compares what engines say of themselves: b has the least, 0.25.',
    ],
    [
      'least-latency',
      [0, 1, 2],
      ['c: least loaded: 0', 'b: busier', 'a: busier'],
      'least-latency is not heard: fewer than half of the engines have said lately what it compares.',
    ],
    [
      'prefix-cache:2,least-request',
      [0.8333, 0.3333, 0],
      [
        'b: the highest score: (1 × 2 + 0.5 × 1) ÷ 3',
        'c: a lower score: (0 × 2 + 1 × 1) ÷ 3',
        'a: a lower score: (0 × 2 + 0 × 1) ÷ 3',
      ],
      'Each strategy of prefix-cache:2,least-request scores every pod from 0 to 1; the mean of these by weight is the highest at b, 0.8333.',
    ],
  ] as const) {
    it(`says what ${strategy} compares`, async () => {
      busy(a, 2);
      busy(b, 1);
      bench.engineLoads = ENGINES;
      const record = await told({ strategy });
      assert.deepEqual(verdicts(record), [...words]);
      assert.deepEqual(
        record.candidates.map(({ score }) => score),
        [...scores],
      );
      assert.include(record.policy, step);
    });
  }

  it('has what each member of a weighted list gives', async () => {
    const { candidates } = await told({ strategy: 'prefix-cache:2,least-request' });
    assert.deepEqual(candidates[0]?.shares, [
      { strategy: 'prefix-cache', weight: 2, share: 1 },
      { strategy: 'least-request', weight: 1, share: 1 },
    ]);
  });

  it('keeps of a thousand pods the best, the winner and the least loaded', async () => {
    const pods = Array.from({ length: 1_000 }, (_, i) => aPod({ name: `pod-${i}`, port: 1 + i }));
    bench.serving = pods;
    for (let i = 0; i < 1_000; i++) busy(pods[i]!, i === 777 ? 0 : i % 2 === 0 ? 1 : 3);
    bench.held = Object.fromEntries(pods.slice(100, 140).map(({ name }, i) => [name, 1 + (i % 10)]));
    const record = await told();
    assert.equal(record.candidatesLeftOut, 1_000 - record.candidates.length);
    assert.match(record.candidates[0]!.verdict, /^too busy: 3 > /);
    const winner = record.candidates.find(({ pod }) => pod === record.pod);
    assert.include(winner, { matchedBlocks: 9, verdict: 'holds the most, not too busy' });
    assert.equal(record.candidates.at(-1)?.pod, 'pod-777');
    const best = record.candidates.slice(0, -1);
    assert.isAtLeast(best.length, 16);
    assert.isTrue(best.every(({ matchedBlocks }) => matchedBlocks >= 7));
    const scores = record.candidates.map(({ score }) => score ?? -1);
    assert.deepEqual(
      scores,
      scores.toSorted((one, other) => other - one),
    );
  });

  it('keeps the winner of a thousand that nothing speaks for', async () => {
    const pods = Array.from({ length: 1_000 }, (_, i) => aPod({ name: `pod-${i}`, port: 1 + i }));
    bench.serving = pods;
    const record = await told({ strategy: 'random' }, { parts: { random: () => 0.9999 } });
    assert.equal(record.pod, 'pod-999');
    assert.equal(record.candidates[0]?.pod, 'pod-999');
    assert.lengthOf(record.candidates, 17);
  });

  describe('says why the prompt was not looked at', () => {
    const cases: [Reason, () => Promise<DecisionRecord>, string][] = [
      [
        'only_pod',
        () => {
          bench.serving = [a];
          return told();
        },
        'There is no choice: the prompt is not tokenized.',
      ],
      [
        'no_prompt',
        () => told({ path: '/v1/embeddings' }),
        'The request has no prompt that an engine could have cached.',
      ],
      [
        'tokenizer_failed',
        () => {
          bench.tokenize = () => Promise.reject(new TokenizerError('unavailable', 'down'));
          return told();
        },
        'Tokenizing failed: the prompt is compared by where its earlier turns went.',
      ],
      [
        'index_failed',
        () => {
          bench.lookup = () => assert.fail('broken');
          return told();
        },
        'The index failed.',
      ],
      ['deadline', () => told({ extent: 'deadline' }), 'Reading the body took too long.'],
    ];
    for (const [reason, tell, step] of cases) {
      it(reason, async () => {
        const record = await tell();
        assert.equal(record.reason, reason);
        assert.include(record.policy, step);
      });
    }
  });

  it('says where earlier turns of a prompt without tokens went', async () => {
    bench.tokenize = () => Promise.reject(new TokenizerError('no_form', 'none'));
    const route = bench.create({ random: () => 0 });
    const body = { model: 'demo', prompt: 'word '.repeat(200) };
    const [request, tell] = [
      aRequest({}, body),
      async () => {
        const { decision, course, release } = await route(request, NEVER);
        release();
        const kept = { request, decision, course, traceId: undefined, atMs: 0, tookMs: 0 };
        return tellDecision(keptDecision(kept), LIMITS);
      },
    ];
    await tell();
    const again = await tell();
    assert.equal(again.reason, 'history_match');
    assert.equal(again.withoutTokens, 'no_token_form');
    assert.deepEqual(verdicts(again), [
      'a: got most of it before, not too busy',
      'b: got nothing of it',
      'c: got nothing of it',
    ]);
    assert.include(again.policy, 'Of these, 1 got an earlier turn of the prompt; too busy: 0.');
    assert.notProperty(again, 'tokens');
  });

  it('says who is left out, tried, or taken because all fail', async () => {
    for (const pod of [a, b, c]) bench.health.joined(pod);
    const fails = (pod: typeof a) => {
      for (let i = 0; i < 3; i++)
        bench.health.sent(pod, 'watched', 'x').answered({ status: 500, servedBy: undefined });
    };
    fails(a);
    const left = await told({ response: 'unwatched' });
    assert.include(left.policy, 'Left out because of their health: a (failing).');
    assert.notInclude(
      left.candidates.map(({ pod }) => pod),
      'a',
    );
    bench.clock.advance(3_600_000);
    const tried = await told();
    assert.deepEqual([tried.reason, tried.pod, ...verdicts(tried)], ['trial', 'a', 'a: fails, and is tried']);
    assert.match(tried.policy.join(), /a fails, and its time for a trial has come/);
    fails(b);
    fails(c);
    const all = await told({ response: 'unwatched' });
    assert.equal(all.reason, 'all_failing');
    assert.include(all.policy, 'None is well: chosen from the 3 that may be.');
  });

  it('says whose response is named, and whose session', async () => {
    for (const pod of [a, b, c]) bench.responses.joined(pod);
    bench.responses.made('resp_1', '127.0.0.1:2' as never, 'whole');
    const owner = await told(
      { path: '/v1/responses' },
      { body: { model: 'demo', input: 'Hi', previous_response_id: 'resp_1' } },
    );
    assert.deepEqual(verdicts(owner), [
      'b: made the response that the request names',
      'a: not the one',
      'c: not the one',
    ]);
    const id = Buffer.from('127.0.0.1:3').toString('base64');
    const session = await told({ strategy: 'session-affinity', session: { id, key: undefined } });
    assert.deepEqual(verdicts(session), ['c: has the session', 'a: not the one', 'b: not the one']);
    assert.include(session.policy, 'x-session-id names c.');
    const keyed = await told({ strategy: 'session-affinity', session: { id: undefined, key: 'mine' } });
    assert.match(keyed.policy.join(), /x-aibrix-session-key leads to/);
  });

  it('says which pods a filter allows', async () => {
    const { policy } = await told({ subset: ['127.0.0.1:1', '127.0.0.1:2'] });
    assert.equal(
      policy[0],
      '3 pods serve the model; external-filter or the gateway’s subset allows 2 of them.',
    );
  });

  for (const [error, given, body, step] of [
    ['unknown_model', {}, { model: 'nobody', prompt: 'Hi' }, /^No pod serves this model/],
    ['malformed_body', {}, { model: 'demo' }, /^'prompt' is a required property\.$/],
    ['bad_strategy', { strategy: 'best' }, undefined, /^The routing-strategy header is no strategy/],
    ['bad_filter', { labels: '((' }, undefined, /^The external-filter header is no label selector/],
    ['no_allowed_pod', { subset: [] }, undefined, /allows none of the pods/],
    ['no_ready_pod', {}, { model: 'asleep', prompt: 'Hi' }, /none is ready/],
  ] as const) {
    it(`says why a request is rejected: ${error}`, async () => {
      const record = await told(given, { body });
      assert.deepInclude(record, { outcome: 'rejected', error, candidates: [], candidatesLeftOut: 0 });
      assert.lengthOf(record.policy, 1);
      assert.match(record.policy[0]!, step);
    });
  }

  it('says that a request is passed on, or shed', async () => {
    const passed = await told({}, { parts: { defaultStrategy: 'pass' } });
    assert.deepInclude(passed, { outcome: 'passed', model: 'demo' });
    assert.match(passed.policy[0]!, /Envoy’s routes decide/);
    const shed = await told({ priority: -1 }, { parts: { areFull: () => true } });
    assert.deepInclude(shed, { outcome: 'rejected', error: 'shed' });
  });

  it('shows a prompt only where prompts are shown', async () => {
    assert.notProperty(await told(), 'prompt');
    const { prompt } = await told({}, { parts: { excerptOf: ({ raw }) => Buffer.from(raw).toString() } });
    assert.include(prompt, 'Hi');
  });
});
