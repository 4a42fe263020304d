/** What `prefix-cost` does with siblings, and with pods that are not alike: small simulations. */
import { assert } from 'chai';
import type { NamedPolicy } from '../../src/simulation/policy.ts';
import { routerPolicy } from '../../src/simulation/router-policies.ts';
import { type Run, simulate } from '../../src/simulation/simulate.ts';
import type { TraceRequest } from '../../src/simulation/trace/trace-request.ts';
import { ONE_ZONE } from '../../src/simulation/zones.ts';
import { FLEET } from './support.ts';

const ID = 512;
/** Ids of prompts’ own parts. */
let own = 1_000;

/** A prompt that begins with so many ids that all siblings have, and goes on with tokens of its own. */
function sibling(atMs: number, commonIds: number, ownTokens: number, outputTokens = 20): TraceRequest {
  const ids = Array.from({ length: commonIds }, (_, i) => i);
  for (let tokens = 0; tokens < ownTokens; tokens += ID) ids.push(own++);
  return {
    ...{ atMs, outputTokens, tokensPerId: ID, hashIds: ids },
    inputTokens: commonIds * ID + ownTokens,
  };
}

async function played(all: readonly TraceRequest[], more: Partial<Run> = {}) {
  const picks: number[] = [];
  const cost = routerPolicy('prefix-cost');
  const policy: NamedPolicy = {
    ...cost,
    create: () => {
      const { pick, sent } = cost.create();
      return {
        sent,
        pick(snapshot) {
          const index = pick(snapshot);
          picks.push(index);
          return index;
        },
      };
    },
  };
  const trace = {
    async *[Symbol.asyncIterator]() {
      yield* all;
    },
  };
  const run = { ...FLEET, capacityTokens: [65_536], zones: ONE_ZONE, seed: 1, warmUpMs: 0 };
  const result = await simulate({ ...run, policy, trace, ...more });
  return { picks, result };
}

function times<T>(count: number, each: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => each(i));
}

describe('prefix-cost in simulation', () => {
  it('keeps siblings together that arrive at once on a cold fleet, where they have most in common', async () => {
    const { picks, result } = await played(times(8, () => sibling(0, 8, 32)));
    assert.equal(new Set(picks).size, 1);
    assert.equal(result.cachedTokens, 7 * 8 * ID);
  });

  it('spreads siblings that have little in common', async () => {
    const { picks } = await played(times(6, () => sibling(0, 1, 4_000)));
    assert.deepEqual([...picks].sort(), [0, 0, 1, 1, 2, 2]);
  });

  it('takes a second pod for a burst as soon as what waits at the first takes longer than computing again', async () => {
    const { picks } = await played(times(60, () => sibling(0, 4, 150)));
    const perPod = times(3, pod => picks.filter(each => each === pod).length);
    assert.equal(new Set(picks.slice(0, 3)).size, 1, 'the first ones stay together');
    assert.isAbove(Math.min(...perPod), 12, `${perPod}`);
  });

  it('sends two siblings to the warm pod where it is idle', async () => {
    const { picks } = await played([
      sibling(0, 4, 100, 1),
      ...times(2, () => sibling(1_000, 4, 100)),
      ...times(2, () => sibling(2_000, 4, 100)),
    ]);
    assert.equal(new Set(picks).size, 1);
  });

  it('keeps conversations where they are, and spreads them evenly', async () => {
    const turns = times(12, turn =>
      times(
        6,
        (session): TraceRequest => ({
          ...{ atMs: 2_000 * turn + 100 * session, inputTokens: ID * (turn + 1), outputTokens: 10 },
          ...{ tokensPerId: ID, hashIds: times(turn + 1, i => 100 * session + i) },
        }),
      ),
    ).flat();
    // One output token takes as long as a decoding sequence: they are still under way when the next conversation begins.
    const { picks, result } = await played(turns, {
      cost: { stepMs: 60, prefillTokenMs: 0.1, decodeSequenceMs: 0.1 },
    });
    const homes = times(6, session => new Set(picks.filter((_, i) => i % 6 === session)));
    assert.isTrue(homes.every(({ size }) => size === 1));
    assert.equal(new Set(homes.flatMap(pods => [...pods])).size, 3);
    assert.isAbove(result.hitRate, 0.8);
  });

  it('learns which pods are slow', async () => {
    const requests = times(400, i => sibling(60 * i, 0, 1_500, 2));
    const { result } = await played(requests, {
      speeds: [1, 1, 0.25],
      cost: { stepMs: 5, prefillTokenMs: 0.1, decodeSequenceMs: 0.1 },
    });
    const [first, second, slow] = result.computedTokens;
    assert.isBelow(slow!, 0.4 * Math.min(first!, second!), `${result.computedTokens}`);
  });
});
