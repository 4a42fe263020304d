import { assert } from 'chai';
import type { PublisherReport } from '../../../src/events/event-feed.ts';
import { type KnownPod, MAX_ROWS, podViews, publisherViews } from '../../../src/ops/console/views.ts';
import { anEngineLoad, aPod, UNKNOWN_LOAD } from '../../support/builders.ts';

function known(name: string, given: Partial<KnownPod> = {}): KnownPod {
  return {
    ...{ pod: aPod({ name }), isReady: true, inFlight: 0, picks: 0, engine: UNKNOWN_LOAD },
    health: { health: 'healthy', why: '', forMs: 1_000, requestsSeen: 0, requestsFailed: 0 },
    ...given,
  };
}

function report(pod: string, given: Partial<PublisherReport> = {}): PublisherReport {
  return {
    ...{ pod, rank: 0, endpoint: undefined, state: 'live', why: undefined, circuit: 'closed' },
    ...{ sequence: undefined, lagSeconds: undefined, blocks: 0, orphans: 0, held: 0 },
    ...{ gaps: 0, replays: 0, restarts: 0, lastErrors: [] },
    ...given,
  };
}

describe('Views of pods', () => {
  it('begin with those that fail, and those that may not be picked', () => {
    const failing = {
      health: 'failing',
      why: 'refused',
      forMs: 5,
      requestsSeen: 0,
      requestsFailed: 0,
    } as const;
    const { pods } = podViews(
      [known('a'), known('z', { health: failing }), known('m', { isReady: false })],
      [],
    );
    assert.deepEqual(
      pods.map(({ pod, health, why, isReady }) => [pod, health, why, isReady]),
      [
        ['z', 'failing', 'refused', true],
        ['m', 'healthy', '', false],
        ['a', 'healthy', '', true],
      ],
    );
  });

  it('add up the event streams of all ranks', () => {
    const reports = [
      report('a', { blocks: 3, lagSeconds: 0.5 }),
      report('a', { rank: 1, blocks: 4, lagSeconds: 0.25 }),
      report('b', { blocks: 1 }),
    ];
    const { pods } = podViews([known('a'), known('b'), known('c')], reports);
    assert.deepEqual(
      pods.map(({ events }) => events),
      [{ blocks: 7, lagSeconds: 0.5 }, { blocks: 1, lagSeconds: null }, null],
    );
  });

  it('show what an engine says of itself, where it does', () => {
    const engine = anEngineLoad({ running: 3, waiting: 2, kvUsage: undefined });
    const { pods } = podViews([known('a', { engine }), known('b', { health: undefined })], []);
    assert.deepEqual(pods[0]?.engine, { running: 3, waiting: 2, kvUsage: null });
    assert.deepInclude(pods[1], { engine: null, health: 'unknown', why: '', forMs: 0 });
  });

  it('name the zone, where it is known', () => {
    const { pods } = podViews([known('a', { pod: aPod({ name: 'a', zone: 'eu-1a' }) }), known('b')], []);
    assert.deepEqual(
      pods.map(({ zone }) => zone),
      ['eu-1a', null],
    );
  });

  it('leave out what nobody would read', () => {
    const many = Array.from({ length: MAX_ROWS + 50 }, (_, i) => known(`pod-${i}`));
    const { pods, podsLeftOut } = podViews(many, []);
    assert.deepEqual([pods.length, podsLeftOut], [MAX_ROWS, 50]);
  });
});

describe('Views of event streams', () => {
  it('begin with those that do not tell all, pods without a stream among them', () => {
    const { publishers, publishersLeftOut } = publisherViews(
      [report('b', { rank: 1 }), report('b'), report('a'), report('z', { state: 'cold', why: 'hole' })],
      ['y'],
    );
    assert.deepEqual(
      publishers.map(({ pod, rank, state }) => [pod, rank, state]),
      [
        ['y', 0, 'not_followed'],
        ['z', 0, 'cold'],
        ['a', 0, 'live'],
        ['b', 0, 'live'],
        ['b', 1, 'live'],
      ],
    );
    assert.equal(publishersLeftOut, 0);
  });

  it('show the last error', () => {
    const lastErrors = [
      { at: 1, what: 'old' },
      { at: 2, what: 'new' },
    ];
    const { publishers } = publisherViews([report('a', { lastErrors })], []);
    assert.deepEqual(publishers[0]?.lastError, { at: 2, what: 'new' });
  });
});
