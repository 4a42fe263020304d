import { EventEmitter, once } from 'node:events';
import { Metadata, status as Status } from '@grpc/grpc-js';
import { assert } from 'chai';
import { BodyMemory } from '../../src/extproc/body/body-memory.ts';
import { type ProcessCall, serveStream } from '../../src/extproc/stream.ts';
import type { WireRequest } from '../../src/extproc/wire.ts';
import { requestBody, requestHeaders, responseHeaders } from '../support/envoy-messages.ts';
import { type FakeEnvoyStream, RawEnvoy } from '../support/fake-envoy.ts';
import { OPTIONS } from './dialogue.ts';
import type { RouteCall } from './fake-route.ts';
import { type ServerFixture, useServer } from './server-fixture.ts';
import { toldReply } from './told.ts';

const HELLO: readonly WireRequest[] = [requestHeaders(), requestBody('hello', 'end')];
const FULL_DUPLEX = { request_body_mode: 'FULL_DUPLEX_STREAMED' } as const;
const HELD = { request_body_mode: 'STREAMED', send_body_without_waiting_for_header_response: true } as const;

/** A stream whose decision is being made. */
async function deciding({ envoy, route }: ServerFixture): Promise<[FakeEnvoyStream, RouteCall]> {
  const stream = envoy.open().send(...HELLO);
  const call = await route.asked();
  assert.equal(toldReply(await stream.reply()), 'request_headers');
  return [stream, call];
}

/** A stream whose request was sent to a pod. */
async function decided(fixture: ServerFixture): Promise<[FakeEnvoyStream, RouteCall]> {
  const [stream, call] = await deciding(fixture);
  call.decide();
  assert.equal(toldReply(await stream.reply()), 'request_body pick');
  return [stream, call];
}

/** After this, everything that was under way on the server has been seen to its end. */
async function roundTrip({ envoy }: ServerFixture): Promise<void> {
  const stream = envoy.open().send(requestHeaders());
  await stream.reply();
  await stream.halfClose();
}

describe('An ext_proc stream', () => {
  const given = useServer();

  it('is ended by the server when Envoy has half-closed, and not before', async () => {
    const fixture = given();
    const [stream, call] = await decided(fixture);
    let ended = false;
    void stream.status.then(() => {
      ended = true;
    });
    await roundTrip(fixture);
    assert.isFalse(ended);
    assert.equal(call.releases, 0);
    assert.equal((await stream.halfClose()).code, Status.OK);
    assert.isEmpty(stream.unreadReplies);
  });

  it('stays open after an answer of our own', async () => {
    const fixture = given();
    const [stream, call] = await deciding(fixture);
    call.decide({ kind: 'rejected', error: { kind: 'no_ready_pod', model: 'demo' } });
    assert.property(await stream.reply(), 'immediate_response');
    stream.send(responseHeaders());
    await roundTrip(fixture);
    assert.equal(fixture.server.openStreams, 1);
    assert.equal((await stream.halfClose()).code, Status.OK);
    assert.isEmpty(stream.unreadReplies);
  });

  it('releases its load once when Envoy half-closes', async () => {
    const fixture = given();
    const [stream, call] = await decided(fixture);
    await stream.halfClose();
    await call.released;
    await roundTrip(fixture);
    assert.equal(call.releases, 1);
    assert.equal(fixture.server.openStreams, 0);
  });

  it('releases its load once when Envoy resets it', async () => {
    const fixture = given();
    const [stream, call] = await decided(fixture);
    assert.equal((await stream.reset()).code, Status.CANCELLED);
    await call.released;
    await roundTrip(fixture);
    assert.equal(call.releases, 1);
    assert.equal(fixture.server.openStreams, 0);
  });

  it('releases its load once when the connection is lost', async () => {
    const fixture = given();
    const raw = await RawEnvoy.connect(fixture.server.port);
    const stream = raw.open(...HELLO);
    const call = await fixture.route.asked();
    call.decide();
    await once(stream, 'data');
    raw.drop();
    await call.released;
    await roundTrip(fixture);
    assert.equal(call.releases, 1);
    assert.equal(fixture.server.openStreams, 0);
  });

  it('releases the load of a rejected request too', async () => {
    const [stream, call] = await deciding(given());
    call.decide({ kind: 'rejected', error: { kind: 'no_ready_pod', model: 'demo' } });
    await stream.reply();
    await stream.halfClose();
    await call.released;
    assert.equal(call.releases, 1);
  });

  const GONE: Readonly<Record<string, (fixture: ServerFixture) => Promise<RouteCall>>> = {
    'Envoy has half-closed': async fixture => {
      const [stream, call] = await deciding(fixture);
      assert.equal((await stream.halfClose()).code, Status.OK);
      return call;
    },
    'Envoy has reset the stream': async fixture => {
      const [stream, call] = await deciding(fixture);
      await stream.reset();
      return call;
    },
    'the connection is lost': async fixture => {
      const raw = await RawEnvoy.connect(fixture.server.port);
      raw.open(...HELLO);
      const call = await fixture.route.asked();
      raw.drop();
      return call;
    },
  };
  for (const [what, leave] of Object.entries(GONE)) {
    it(`releases the load of a decision that comes after ${what}, and tells the route to hurry`, async () => {
      const fixture = given();
      const call = await leave(fixture);
      if (!call.signal.aborted) await once(call.signal, 'abort');
      call.decide();
      await call.released;
      await roundTrip(fixture);
      assert.equal(call.releases, 1);
      assert.isEmpty(fixture.unexpected);
    });
  }

  it('gives the route the trace of the gRPC call before that of the HTTP request', async () => {
    const { envoy, route } = given();
    const http = requestHeaders({ headers: { traceparent: '00-http-1-01', tracestate: 'from=http' } });
    const TRACES: readonly (readonly [metadata: Record<string, string>, trace: object])[] = [
      [{}, { traceparent: '00-http-1-01', tracestate: 'from=http' }],
      [{ traceparent: '00-grpc-2-01' }, { traceparent: '00-grpc-2-01' }],
      [
        { traceparent: '00-grpc-2-01', tracestate: 'from=grpc' },
        { traceparent: '00-grpc-2-01', tracestate: 'from=grpc' },
      ],
    ];
    for (const [metadata, trace] of TRACES) {
      const stream = envoy.open(metadata).send(http, requestBody('hello', 'end'));
      const call = await route.asked();
      assert.deepEqual(call.request.trace, trace);
      call.decide();
      await stream.halfClose();
    }
  });

  it('tells how long the body took to come in and the reply to be written', async () => {
    const { passed } = given();
    const [stream] = await decided(given());
    await stream.halfClose();
    assert.deepEqual(
      passed.map(({ kind }) => kind),
      ['received', 'replied'],
    );
    for (const fact of passed) assert.isAtLeast('tookMs' in fact ? fact.tookMs : -1, 0);
  });

  for (const during of ['body', 'decision'] as const) {
    it(`tells when Envoy gives a request up before it has its reply: ${during}`, async () => {
      const fixture = given();
      const stream =
        during === 'body' ? fixture.envoy.open().send(requestHeaders()) : (await deciding(fixture))[0];
      if (during === 'body') await stream.reply();
      await stream.reset();
      await roundTrip(fixture);
      assert.deepEqual(fixture.passed[during === 'body' ? 0 : 1], { kind: 'abandoned', during });
    });
  }

  it('goes on unrouted and ends OK when the route rejects, and says so', async () => {
    const fixture = given();
    const [stream, call] = await deciding(fixture);
    const heard = fixture.nextUnexpected();
    const failure = new Error('no luck');
    call.fail(failure);
    assert.equal(await heard, failure);
    assert.equal(toldReply(await stream.reply()), 'request_body');
    assert.equal((await stream.status).code, Status.OK);
    assert.deepEqual(fixture.unexpected, [failure]);
    assert.equal(fixture.server.openStreams, 0);
  });

  it('hands the body back and removes forged headers when the route rejects', async () => {
    const { envoy, route } = given();
    const config = { request_body_mode: 'FULL_DUPLEX_STREAMED' } as const;
    const stream = envoy.open().send(requestHeaders({ config }), requestBody('hello', 'end'));
    (await route.asked()).fail(new Error('no luck'));
    assert.equal(toldReply(await stream.reply()), 'request_headers');
    assert.equal(toldReply(await stream.reply()), 'request_body "hello" end');
    assert.equal((await stream.status).code, Status.OK);
  });
});

describe('An ext_proc stream with a short deadline for bodies', () => {
  const given = useServer({ bodyDeadlineMs: { STREAMED: 100, FULL_DUPLEX_STREAMED: 100 } });

  it('has no deadline for a decision once the body is whole', async () => {
    const { envoy, route } = given();
    const stream = envoy.open().send(requestHeaders({ config: HELD }), requestBody('hello', 'end'));
    const call = await route.asked();
    const later = envoy.open().send(requestHeaders({ config: HELD }));
    (await route.asked()).decide();
    await later.reply();
    assert.isEmpty(stream.unreadReplies);
    call.decide();
    assert.equal(toldReply(await stream.reply()), 'request_headers pick');
    await Promise.all([stream.halfClose(), later.halfClose()]);
  });

  for (const [mode, config, echo] of [
    ['STREAMED', HELD, ['request_body', 'request_body']],
    ['FULL_DUPLEX_STREAMED', FULL_DUPLEX, ['request_body "he"', 'request_body "llo" end']],
  ] as const) {
    it(`lets a request go on whose body does not come to its end, by what there is of it (${mode})`, async () => {
      const { envoy, route, server } = given();
      const stream = envoy.open().send(requestHeaders({ config }), requestBody('he'));
      const call = await route.asked();
      assert.deepInclude(call.request, { body: Buffer.from('he'), extent: 'late_body' });
      call.decide();
      assert.equal(toldReply(await stream.reply()), 'request_headers pick');
      assert.equal(toldReply(await stream.reply()), echo[0]);
      stream.send(requestBody('llo', 'end'));
      assert.equal(toldReply(await stream.reply()), echo[1]);
      assert.equal(server.bufferedBytes, 0);
      assert.equal((await stream.halfClose()).code, Status.OK);
      assert.equal(call.releases, 1);
    });
  }

  it('lets a request go on without a pick where what there is of it is not enough', async () => {
    const { envoy, route, facts } = given();
    const stream = envoy.open().send(requestHeaders({ config: HELD }), requestBody('he'));
    (await route.asked()).decide({ kind: 'undecided' });
    assert.equal(toldReply(await stream.reply()), 'request_headers');
    assert.equal(toldReply(await stream.reply()), 'request_body');
    assert.deepEqual(facts, [{ kind: 'undecided', why: 'late_body' }]);
    stream.send(requestBody('llo', 'end'));
    assert.equal(toldReply(await stream.reply()), 'request_body');
    assert.equal((await stream.halfClose()).code, Status.OK);
  });
});

describe('An ext_proc stream with little room for bodies', () => {
  const given = useServer({ maxBufferedBytes: 1_024 });

  it('lets a request go on without a pick where what there was room for is not enough', async () => {
    const { envoy, route, facts } = given();
    const body = 'x'.repeat(2_000);
    const stream = envoy.open().send(requestHeaders({ config: FULL_DUPLEX }), requestBody(body));
    const call = await route.asked();
    assert.equal(call.request.extent, 'buffers_full');
    call.decide({ kind: 'undecided' });
    assert.equal(toldReply(await stream.reply()), 'request_headers');
    assert.equal(toldReply(await stream.reply()), `request_body "${body}"`);
    assert.deepEqual(facts, [{ kind: 'undecided', why: 'buffers_full' }]);
    assert.equal((await stream.halfClose()).code, Status.OK);
  });
});

describe('An ext_proc stream on a route that throws', () => {
  const failure = new Error('thrown');
  const given = useServer({
    route: () => {
      throw failure;
    },
  });

  it('goes on unrouted and ends OK, and says so once, whatever else is under way', async () => {
    const fixture = given();
    const stream = fixture.envoy.open().send(...HELLO, responseHeaders(), responseHeaders());
    assert.equal(toldReply(await stream.reply()), 'request_headers');
    assert.equal(toldReply(await stream.reply()), 'request_body');
    assert.equal((await stream.status).code, Status.OK);
    await roundTrip(fixture);
    assert.deepEqual(fixture.unexpected, [failure]);
    assert.equal(fixture.server.openStreams, 0);
  });
});

/** A gRPC call as the server sees it, without a connection. */
class FakeCall extends EventEmitter {
  readonly metadata = new Metadata();
  readonly written: unknown[] = [];
  ended = 0;

  write(reply: unknown): void {
    this.written.push(reply);
  }

  end(): void {
    this.ended++;
  }
}

describe('Serving an ext_proc stream', () => {
  const serve = (call: FakeCall, onUnexpected: (error: unknown) => void, onClosed: () => void) =>
    serveStream(
      call as unknown as ProcessCall,
      {
        exchange: OPTIONS,
        unsaidMode: 'BUFFERED',
        bodyDeadlineMs: { STREAMED: 60_000, FULL_DUPLEX_STREAMED: 60_000 },
        bodyMemory: new BodyMemory(Number.MAX_SAFE_INTEGER),
        firstMessageMs: 60_000,
        route: () => Promise.reject(new Error('no route')),
        onFact: () => {},
        onUnexpected,
      },
      onClosed,
    );
  const raise = (error: unknown) => {
    throw error;
  };
  const ENDS = ['end', 'cancelled', 'close', 'error'];

  for (const first of ENDS) {
    it(`is over once, with the first of its ends: ${first}`, () => {
      const call = new FakeCall();
      let closed = 0;
      serve(call, raise, () => closed++);
      call.emit('data', requestHeaders({ config: HELD }));
      call.emit(first);
      assert.equal(closed, 1);
      for (const further of ENDS) call.emit(further);
      assert.equal(closed, 1);
      call.emit('data', requestBody('hello'));
      assert.isEmpty(call.written);
    });
  }

  it('asks for no decision once the server has ended the stream', async () => {
    const call = new FakeCall();
    const stream = serve(call, raise, () => {});
    stream.end();
    for (const message of HELLO) call.emit('data', message);
    await stream.idle();
    assert.equal(call.ended, 1);
    assert.isEmpty(call.written);
  });

  it('ends the stream even when the last replies cannot be written', async () => {
    const call = new FakeCall();
    const unexpected: string[] = [];
    const stream = serve(
      call,
      error => unexpected.push(String(error)),
      () => {},
    );
    call.write = () => {
      throw new Error('no pen');
    };
    call.emit('data', requestHeaders({ config: HELD }));
    call.emit('data', requestBody('hello', 'end'));
    await stream.idle();
    assert.deepEqual(unexpected, ['Error: no route', 'Error: no pen']);
    assert.equal(call.ended, 1);
  });
});
