/** A real API server that is restarted, hangs, forgets, refuses: the pods that are known serve, and what happened is learned. */
import { assert } from 'chai';
import type { SimulatedEngine } from '../../src/simulator/engine.ts';
import { eventually } from '../support/eventually.ts';
import type { ProgramProcess } from '../support/program.ts';
import { inLongRuns } from './world/long.ts';
import { adminPage, KubeWorld, knows, knowsWithin } from './world/world.ts';

/** The API server sends a bookmark every minute. */
const SILENCE_MS = 90_000;
const GRANTED = ['get', 'list', 'watch'];

const isReady = async (program: ProgramProcess) =>
  (await adminPage(program, '/readyz')) as { ready: boolean; why: string };

describe('A real API server', function () {
  // A watch that hangs is given up after some time.
  this.timeout(240_000);
  let world: KubeWorld;
  let engine: SimulatedEngine;

  before(async () => {
    world = await KubeWorld.open();
  });
  beforeEach(async () => {
    engine = await world.startEngine();
    await world.put(engine);
  });
  afterEach(() => world.endTest());
  after(() => world.close());

  async function router(): Promise<ProgramProcess> {
    const started = await world.startRouter();
    await knows(started, engine.name);
    await eventually('it is ready', async () => (await isReady(started)).ready);
    return started;
  }

  /** A second pod, which tells that changes are heard. */
  async function putNext(): Promise<SimulatedEngine> {
    const next = await world.startEngine();
    await world.put(next);
    return next;
  }

  it('that is restarted: changes of that time and of later are known', async () => {
    const program = await router();
    await world.cluster.stopApiServer();
    assert.equal((await isReady(program)).ready, true);
    await knows(program, engine.name);
    await world.cluster.startApiServer();
    const next = await putNext();
    await knows(program, engine.name, next.name);
  });

  it('that is killed and comes back', async () => {
    const program = await router();
    await world.cluster.stopApiServer('SIGKILL');
    await world.cluster.startApiServer();
    await world.remove(engine);
    const next = await putNext();
    await knows(program, next.name);
  });

  it('that hangs: the pods serve, and what comes later is known', async () => {
    const program = await router();
    world.cluster.pauseApiServer();
    assert.equal((await isReady(program)).ready, true);
    world.cluster.resumeApiServer();
    const next = await putNext();
    await knows(program, engine.name, next.name);
  });

  inLongRuns('that is not heard any more: a connection without a word is given up', async () => {
    const program = await router();
    world.wire.freeze();
    const next = await putNext();
    await knowsWithin(SILENCE_MS + 60_000, program, engine.name, next.name);
  });

  it('that has forgotten what happened meanwhile (410): all is listed again', async () => {
    const program = await router();
    world.wire.set('refuse');
    world.wire.sever();
    await world.remove(engine);
    const next = await putNext();
    await world.cluster.compact();
    await world.cluster.stopApiServer();
    await world.cluster.startApiServer();
    world.wire.set('through');
    await knows(program, next.name);
  });

  it('that takes other tokens now: the one in the file is read again', async () => {
    const program = await router();
    await world.revokeTokens();
    await world.renewToken();
    await world.cluster.stopApiServer();
    await world.cluster.startApiServer();
    const next = await putNext();
    await knows(program, engine.name, next.name);
  });

  it('copies the zone of a node to its pods, which the router takes from there', async () => {
    await world.cluster.ask('POST', '/api/v1/nodes', {
      metadata: { name: 'node-0', labels: { 'topology.kubernetes.io/zone': 'eu-1a' } },
    });
    try {
      const program = await router();
      const next = await putNext();
      await knows(program, engine.name, next.name);
      const { pods } = (await adminPage(program, '/debug/pods')) as { pods: readonly { zone?: string }[] };
      assert.deepEqual(
        pods.map(({ zone }) => zone),
        [undefined, 'eu-1a'],
      );
    } finally {
      await world.cluster.ask('DELETE', '/api/v1/nodes/node-0');
    }
  });

  it('gives pods to whom has the rights of the documentation and no others', async () => {
    const program = await router();
    assert.isEmpty(program.logLines.filter(({ level }) => level === 'error' || level === 'warn'));
    await world.setVerbs(['get', 'list']);
    try {
      const without = await world.startRouter();
      await knows(without, engine.name);
      const { message, fields } = await eventually('it says so', () =>
        without.logLines.find(line => /grant/.test(`${line.message} ${JSON.stringify(line.fields)}`)),
      );
      assert.match(`${message} ${JSON.stringify(fields)}`, /watch/);
      assert.equal((await isReady(without)).ready, true);
      await world.setVerbs(GRANTED);
      const next = await putNext();
      await knows(without, engine.name, next.name);
    } finally {
      await world.setVerbs(GRANTED);
    }
  });
});
