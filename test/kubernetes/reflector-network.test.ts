/** The reflector over a wire that does what wires do. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { assert } from 'chai';
import type { KubeClient } from '../../src/kubernetes/kubernetes.ts';
import { realSleep, type Sleep } from '../../src/time.ts';
import { eventually } from '../support/eventually.ts';
import { FakeKubeApi } from '../support/fake-kube-api.ts';
import { connectTo } from '../support/kube-access.ts';
import { keptOf, type Reflected, reflect } from '../support/reflected.ts';
import { TcpSwitch } from '../support/tcp-switch.ts';

/** A minute is some 30 ms. */
const hurried: Sleep = (ms, signal) => realSleep(ms / 2_000, signal);
const hurriedNow = () => performance.now() * 2_000;

describe('the reflector over a wire', () => {
  let api: FakeKubeApi;
  let wire: TcpSwitch;
  let client: KubeClient;
  let reflected: Reflected;

  beforeEach(async () => {
    api = await FakeKubeApi.start();
    api.put({ metadata: { name: 'a', namespace: 'serving' } });
    wire = await TcpSwitch.listen(api.port);
    client = await connectTo(`http://127.0.0.1:${wire.port}`);
  });

  afterEach(async () => {
    await reflected.reflector.stop();
    await client.close();
    await wire.close();
    await eventually('no connection is left', async () => (await api.connections()) === 0);
    await api.close();
  });

  const isTold = () => {
    const told = reflected.sets.all.at(-1);
    return told !== undefined && JSON.stringify([...told]) === JSON.stringify([...keptOf(api.objects())]);
  };
  const change = () => {
    api.delete({ name: 'a', namespace: 'serving' });
    return api.put({ metadata: { name: 'b', namespace: 'serving' } });
  };

  /** Something breaks, changes happen, it heals: in the end all is told. */
  async function survive(breakIt: () => void, heal: () => void, options = {}): Promise<void> {
    reflected = reflect(client, options);
    await reflected.fact('watching');
    breakIt();
    change();
    heal();
    await eventually('all is told', isTold);
  }

  it('that is cut', () =>
    survive(
      () => wire.sever(),
      () => {},
    ));

  it('that is refused for some time', () =>
    survive(
      () => {
        wire.set('refuse');
        wire.sever();
      },
      () => wire.set('through'),
    ));

  it('that goes dead with no end to the connection', () =>
    survive(
      () => wire.freeze(),
      () => {},
      { sleep: hurried, now: hurriedNow },
    ));

  it('that swallows what is asked', async () => {
    wire.set('swallow');
    reflected = reflect(client, { sleep: hurried, now: hurriedNow });
    assert.equal((await reflected.fact('failed')).error, 'timeout');
    wire.set('through');
    await eventually('all is told', isTold);
  });

  it('that is cut in the middle of a list', async () => {
    for (let i = 0; i < 3_000; i++)
      api.put({ metadata: { name: `pod-${i}`, namespace: 'serving' }, filler: 'x'.repeat(1_000) });
    let cuts = 0;
    api.fault = ({ kind }) => {
      if (kind === 'page' && cuts++ < 3) setImmediate(() => wire.sever());
      return undefined;
    };
    reflected = reflect(client, { random: () => 0.999 });
    await eventually('all is told', isTold);
    assert.equal(reflected.sets.all.length, 1, 'and nothing that is not all');
  });

  it('that nobody listens at, at first', async () => {
    wire.set('refuse');
    reflected = reflect(client, { random: () => 0.999 });
    assert.equal((await reflected.fact('failed')).error, 'unavailable');
    assert.isFalse(reflected.reflector.hasListed);
    wire.set('through');
    await eventually('all is told', isTold);
  });

  it('that takes connections and shakes no hands: it stops at once', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const mute = await connectTo(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
    reflected = reflect(mute);
    const [socket] = (await once(server, 'connection')) as [Socket];
    await reflected.reflector.stop();
    const ended = once(socket.resume(), 'close');
    await mute.close();
    await ended;
    server.close();
  });
});
