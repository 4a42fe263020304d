import { afterEach, beforeEach } from 'mocha';
import type { SettledFact } from '../../src/extproc/exchange.ts';
import { GrpcHealth } from '../../src/extproc/health.ts';
import {
  type ExtProcServer,
  type ExtProcServerOptions,
  startExtProcServer,
} from '../../src/extproc/server.ts';
import type { DoorFact } from '../../src/extproc/stream.ts';
import { FakeEnvoy } from '../support/fake-envoy.ts';
import { OPTIONS } from './dialogue.ts';
import { FakeRoute } from './fake-route.ts';

/** A server with a route that the test controls, and an Envoy on it; made for each test, and gone after it. */
export interface ServerFixture {
  readonly server: ExtProcServer;
  readonly health: GrpcHealth;
  readonly envoy: FakeEnvoy;
  readonly route: FakeRoute;
  /** What `onUnexpected` was told. */
  readonly unexpected: unknown[];
  /** What `onFact` was told of requests that were settled without a decision, */
  readonly facts: SettledFact[];
  /** and of all others. */
  readonly passed: Exclude<DoorFact, SettledFact>[];
  /** Settles with the next thing that `onUnexpected` is told. */
  nextUnexpected(): Promise<unknown>;
}

export function useServer(given: Partial<ExtProcServerOptions> = {}): () => ServerFixture {
  let fixture: ServerFixture;

  beforeEach(async () => {
    const route = new FakeRoute();
    const unexpected: unknown[] = [];
    const facts: SettledFact[] = [];
    const passed: Exclude<DoorFact, SettledFact>[] = [];
    let heard = Promise.withResolvers<unknown>();
    const health = new GrpcHealth();
    const server = await startExtProcServer({
      host: '127.0.0.1',
      port: 0,
      maxMessageBytes: 1024 * 1024,
      bodyDeadlineMs: { STREAMED: 60_000, FULL_DUPLEX_STREAMED: 60_000 },
      maxBufferedBytes: 256 * 1024 * 1024,
      idleMs: 60_000,
      maxConnections: 100,
      transport: { kind: 'plain_text' },
      health,
      onRefused: () => {},
      onFailed: () => {},
      route: route.route,
      unsaidMode: 'BUFFERED',
      exchange: {
        ...OPTIONS,
        maxBodyBytes: 8 * 1024 * 1024,
        debugHeaders: 'off',
      },
      onFact: fact => {
        if (fact.kind === 'rejected' || fact.kind === 'answered' || fact.kind === 'undecided')
          facts.push(fact);
        else passed.push(fact);
      },
      onUnexpected: error => {
        unexpected.push(error);
        heard.resolve(error);
        heard = Promise.withResolvers();
      },
      ...given,
    });
    const envoy = new FakeEnvoy(server.port);
    fixture = {
      server,
      health,
      envoy,
      route,
      unexpected,
      facts,
      passed,
      nextUnexpected: () => heard.promise,
    };
  });

  afterEach(async () => {
    fixture.envoy.close();
    fixture.route.decideAll();
    await fixture.server.drain(0);
  });

  return () => fixture;
}
