import { assert } from 'chai';
import fc from 'fast-check';
import { labelOf, STRATEGIES, type StrategyName, uses } from '../src/domain.ts';
import {
  asksFor,
  comparesEngines,
  MAX_MEMBERS,
  MAX_WEIGHT,
  NOT_TAKEN_OVER,
  parseStrategy,
} from '../src/strategies.ts';
import { aStrategy } from './support/builders.ts';

type Expected = readonly (readonly [StrategyName, number])[];

/** What is chosen, whatever it is called. */
function parsed(text: string): Expected | string {
  const result = parseStrategy(text);
  if (result.kind === 'invalid') return result.why;
  const { strategy } = result;
  assert.equal(strategy.text, text);
  return strategy.kind === 'single'
    ? [[strategy.name, 1]]
    : strategy.members.map(({ name, weight }) => [name, weight] as const);
}

describe('a choice of strategies', () => {
  // The cases of `TestParseMultiRouterConfig` in AIBrix's algorithms/router_test.go.
  const published: readonly (readonly [title: string, text: string, expected: Expected | RegExp])[] = [
    ['is one name', 'prefix-cache', [['prefix-cache', 1]]],
    [
      'is several names of equal weight',
      'prefix-cache,least-latency',
      [
        ['prefix-cache', 1],
        ['least-latency', 1],
      ],
    ],
    [
      'may have weights',
      'prefix-cache:6,least-latency:4',
      [
        ['prefix-cache', 6],
        ['least-latency', 4],
      ],
    ],
    [
      'may have weights in part',
      'prefix-cache:3,least-latency',
      [
        ['prefix-cache', 3],
        ['least-latency', 1],
      ],
    ],
    ['drops what has weight 0', 'prefix-cache:0,least-latency:10', [['least-latency', 1]]],
    ['is not empty', '', /no name/],
    ['has no empty member', 'prefix-cache,,least-latency', /no name/],
    ['has one weight a member', 'prefix-cache:1:2', /more than one weight/],
    ['has whole weights', 'prefix-cache:0.5,least-latency:0.5', /whole number/],
    ['has no negative weight', 'prefix-cache:-1', /whole number from 0/],
    ['has no weight above a million', 'prefix-cache:1000001', /1000000/],
    ['is not all of weight 0', 'prefix-cache:0,least-latency:0', /all weights are 0/],
    // AIBrix takes these alone, whatever stands beside them.
    ['has none that excludes others (pd)', 'least-request:2,pd:1,throughput:3', /pd is not taken over/],
    [
      'has none that excludes others (slo)',
      'slo-least-load:1,least-latency:2',
      /slo-least-load is not taken over/,
    ],
  ];
  for (const [title, text, expected] of published) {
    it(`${title}: ${JSON.stringify(text)}`, () => {
      const result = parsed(text);
      if (expected instanceof RegExp) assert.match(String(result), expected);
      else assert.deepEqual(result, expected);
    });
  }

  it('does not mind spaces, nor Go’s spellings of a number', () => {
    assert.deepEqual(parsed(' prefix-cache : +2 , throughput:007,random:-0'), [
      ['prefix-cache', 2],
      ['throughput', 7],
    ]);
    assert.deepEqual(parsed(`throughput:${MAX_WEIGHT},throughput`), [
      ['throughput', MAX_WEIGHT],
      ['throughput', 1],
    ]);
  });

  for (const name of STRATEGIES) it(`may be ${name}`, () => assert.deepEqual(parsed(name), [[name, 1]]));

  for (const name of ['random', 'round-robin', 'power-of-two'] as const) {
    it(`may be ${name} alone, with whatever weight, and not beside others: it scores nothing`, () => {
      assert.deepEqual(parsed(`${name}:5`), [[name, 1]]);
      assert.match(String(parsed(`${name},least-request`)), new RegExp(`^${name} gives no scores`));
    });
  }

  for (const [name, instead] of Object.entries(NOT_TAKEN_OVER)) {
    it(`is not ${name}, alone or beside others, and says what to use instead`, () => {
      for (const text of [name, `${name}:3`, `least-request,${name}`])
        assert.equal(parsed(text), `${name} is not taken over from AIBrix: ${instead}`);
    });
  }

  it('says which names there are where one is none of them', () => {
    const why = String(parsed('fastest'));
    for (const name of ['fastest', ...STRATEGIES]) assert.include(why, name);
    // What objects have by themselves is no name either.
    for (const text of ['constructor', '__proto__', 'toString'])
      assert.match(String(parsed(text)), /is none of/);
  });

  it('is bounded, and does not repeat what is long', () => {
    assert.match(
      String(
        parsed(
          Array(MAX_MEMBERS + 1)
            .fill('throughput')
            .join(),
        ),
      ),
      /more than 16/,
    );
    assert.match(String(parsed('x'.repeat(2_000))), /longer than/);
    assert.isBelow(String(parsed('x'.repeat(1_000))).length, 400);
    assert.isBelow(String(parsed(`throughput:${'9'.repeat(900)}`)).length, 400);
  });

  it('is never more than a few labels of a metric', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const result = parseStrategy(text);
        if (result.kind === 'parsed') assert.include([...STRATEGIES, 'weighted'], labelOf(result.strategy));
      }),
    );
    assert.equal(labelOf(aStrategy('throughput:2,least-request')), 'weighted');
    assert.equal(labelOf(aStrategy('throughput:2,least-request:0')), 'throughput');
  });

  it('is known by what is in it', () => {
    const list = aStrategy('prefix-cache:2,least-kv-cache');
    assert.isTrue(uses(list, 'prefix-cache'));
    assert.isFalse(uses(list, 'throughput'));
    assert.isTrue(comparesEngines(list));
    assert.isTrue(comparesEngines(aStrategy('throughput')));
    assert.isFalse(comparesEngines(aStrategy('prefix-cache,least-request,session-affinity')));
  });

  it('is written in ASCII, as it becomes a header again', () => {
    for (const blank of ['\u00a0', '\r\n', '\u000b', '\ufeff'])
      assert.equal(
        parseStrategy(`prefix-cache,${blank}least-request`).kind,
        'invalid',
        JSON.stringify(blank),
      );
    assert.equal(parseStrategy('prefix-cache,\t least-request').kind, 'parsed');
  });

  it('can be asked for one strategy in the words of a request', () => {
    const asks = (text: string | undefined, unset: string) =>
      asksFor('session-affinity', text, aStrategy(unset));
    assert.isTrue(asks(undefined, 'session-affinity'));
    assert.isTrue(asks('  ', 'session-affinity'));
    assert.isTrue(asks(' session-affinity:2,prefix-cache ', 'random'));
    assert.isFalse(asks('random', 'session-affinity'));
    assert.isFalse(asks('session-affinity:0,random', 'random'));
    assert.isFalse(asks('session-affinity,pd', 'session-affinity'), 'is answered 400');
  });
});
