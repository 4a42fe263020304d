/**
 * The feed against real sockets and everything that may go wrong between an engine and the index. Chance repeats, the
 * sockets' timing does not: CHAOS_SEED=<number> chooses another course of events.
 */
import { assert } from 'chai';
import { generator } from '../support/candidates.ts';
import type { ChaosEngineOptions, Prompt } from '../support/chaos-engine.ts';
import { ChaosFleet } from '../support/chaos-fleet.ts';
import { chaosReport, eventsOf, linkCounts } from '../support/chaos-report.ts';
import { FAITHFUL, type LinkRates } from '../support/lossy-link.ts';

const EVENTS = 200_000;
/** When it ends, whatever has not happened by then. */
const MOST_EVENTS = 3 * EVENTS;
const STEPS_A_ROUND = 250;
const STEPS_BETWEEN_SAMPLES = 5;
const MODEL = 'demo';
const ADAPTER = 'sql';

const seed = Number(process.env.CHAOS_SEED ?? 2026);
const random = generator(seed);
const below = (bound: number) => Math.floor(random() * bound);
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;
const someTokens = (count: number) => Array.from({ length: count }, () => below(100_000));

/** From less than a block to what fills half of the smallest cache; some are whole blocks exactly. */
const PREFIXES = [5, 8, 16, 24, 48, 80, 83, 128, 160, 200, 320, 400].map(someTokens);
const recent: Prompt[] = [];

function aPrompt(): Prompt {
  const prefix = oneOf(PREFIXES);
  const shared = random() < 0.3 ? prefix.slice(0, 1 + below(prefix.length)) : prefix;
  const prompt = {
    tokenIds: [...shared, ...someTokens(random() < 0.3 ? 0 : 1 + below(80))],
    context: {
      ...(random() < 0.15 && { lora: ADAPTER }),
      ...(random() < 0.25 && { salt: oneOf(['tenant-a', 'tenant-b', ADAPTER]) }),
    },
  };
  recent.push(prompt);
  if (recent.length > 200) recent.shift();
  return prompt;
}

function anEngine(
  given: Pick<ChaosEngineOptions, 'name' | 'eventEncoding' | 'cacheBlocks' | 'replayBufferSteps'>,
): ChaosEngineOptions {
  return { ...given, model: MODEL, adapter: ADAPTER, blockSizeTokens: 8, random, aPrompt };
}

const ENGINES = [
  anEngine({ name: 'engine-0', eventEncoding: 'map', cacheBlocks: 250, replayBufferSteps: 10_000 }),
  anEngine({ name: 'engine-1', eventEncoding: 'array', cacheBlocks: 150, replayBufferSteps: 10_000 }),
  anEngine({ name: 'small-buffer', eventEncoding: 'map', cacheBlocks: 200, replayBufferSteps: 40 }),
  anEngine({ name: 'no-replay', eventEncoding: 'array', cacheBlocks: 200, replayBufferSteps: 'off' }),
];

const BAD: LinkRates = { lose: 0.01, repeat: 0.01, delay: 0.002, reorder: 0.002 };

/** Without these the run has shown little. */
const WANTED = [
  'lost',
  'repeated',
  'delayed',
  'reordered',
  'cuts',
  'lostOfReplays',
  'restarts',
  'rejoins',
  'resets',
  'gap',
  'forgotten gap',
  'forgotten restart',
  'forgotten unverified',
  'dropped covered',
  'dropped duplicate',
  'replay ended',
  'replay idle',
  'state cold evicted',
  'state cold no_replay',
  'state cold replay_failed',
  'state replaying reconnected',
  'applied orphaned',
  'comparedLive',
  'comparedCold',
  'staleInWindow',
];

describe('the event feed, in chaos', function () {
  this.timeout(90_000);
  let fleet: ChaosFleet;
  let rounds = 0;
  let startedAt = 0;

  before(async () => {
    startedAt = performance.now();
    fleet = await ChaosFleet.start({
      engines: ENGINES,
      random,
      // So short that they are reached.
      limits: {
        maxHeldMessages: 60,
        replayIdleTimeoutMs: 50,
        replayTimeoutMs: 10_000,
        retryAfterMs: 20,
        maxRetryAfterMs: 1_000,
        breakerFailures: 3,
        breakerOpenMs: 200,
      },
    });
  });

  after(async () => {
    await fleet.stop();
    console.log(chaosReport(fleet, { seed, rounds, milliseconds: performance.now() - startedAt }));
  });

  /** What may befall one of them in one step of a bad round. */
  function befall(): void {
    const member = oneOf(fleet.members);
    const chance = random();
    if (chance < 0.004) fleet.cut(member, below(30));
    else if (chance < 0.007) fleet.restart(member, { down: below(10), unreachable: below(150) });
    else if (chance < 0.012) disturbReplays(member);
    else if (chance < 0.014) fleet.rejoin(member);
    else if (chance < 0.02) fleet.reset(member);
  }

  /** Whose replays are swallowed notices it only if it asks for one meanwhile, which is seldom. */
  function disturbReplays(member: (typeof fleet.members)[number]): void {
    const wire = oneOf(['refuse', 'swallow'] as const);
    fleet.disturbReplays(member, wire, (wire === 'swallow' ? 5 : 1) * (20 + below(80)));
  }

  it('equals the caches of the engines at each quiet point, and claims nothing else in between', async () => {
    const goesOn = () =>
      eventsOf(fleet) < EVENTS || (eventsOf(fleet) < MOST_EVENTS && missing(fleet).length > 0);
    for (; goesOn(); rounds++) {
      fleet.setRates(rounds % 4 === 3 ? FAITHFUL : BAD);
      for (let step = 0; step < STEPS_A_ROUND; step++) {
        befall();
        await fleet.step();
        if (step % STEPS_BETWEEN_SAMPLES === 0) fleet.checker.sample();
        fleet.checker.probe(oneOf(recent));
      }
      await fleet.calm();
      fleet.checker.sample();
      fleet.checker.compare();
      assert.deepEqual(fleet.checker.divergences, []);
    }
  });

  it('went through all that may go wrong', () => {
    assert.deepEqual(missing(fleet), []);
    for (const name of fleet.told.keys())
      assert.notMatch(name, /malformed|skipped|inconsistent|off_gpu|damaged/);
  });
});

/** What has to happen and has not. */
function missing(fleet: ChaosFleet): string[] {
  const { checker, counts, told } = fleet;
  const happened: Readonly<Record<string, number>> = {
    ...linkCounts(fleet),
    ...counts,
    ...Object.fromEntries(told),
    ...checker.counts,
  };
  return WANTED.filter(name => !happened[name]);
}
