/** A simulated engine with a fault: what it answers to some paths is another thing than it would say itself. */
import type { ServerResponse } from 'node:http';
import type { Pod } from '../../src/domain.ts';
import { type EngineOptions, type SimulatedEngine, startEngine } from '../../src/simulator/engine.ts';
import { aPod } from './builders.ts';
import { type Asked, startFakeGateway } from './fake-gateway.ts';
import { MODEL, NO_COST } from './fleet.ts';

/** `honest` is what the engine itself answers. */
export type IllAnswer = (asked: Asked, response: ServerResponse, honest: () => Promise<Response>) => unknown;

export interface IllEngine {
  readonly engine: SimulatedEngine;
  /** Healthy, as far as its entry goes. */
  readonly pod: Pod;
  /** What it was asked, oldest first. */
  readonly asked: readonly Asked[];
  stop(): Promise<void>;
}

/** @param answers by path, without the query; all others are the engine's own */
export async function startIllEngine(
  answers: Readonly<Record<string, IllAnswer>> = {},
  options: Partial<EngineOptions> = {},
): Promise<IllEngine> {
  const engine = await startEngine({ model: MODEL, cost: NO_COST, ...options });
  const honestly = ({ method, path, body, headers }: Asked) =>
    fetch(engine.url + path, {
      method,
      headers: { 'content-type': headers['content-type'] ?? '' },
      ...(method !== 'GET' && { body }),
    });
  const door = await startFakeGateway((asked, response) => {
    const answer = answers[asked.path.split('?')[0]!];
    const honest = () => honestly(asked);
    void (answer === undefined ? passOn(response, honest) : answer(asked, response, honest));
  });
  const { eventsPort, replayPort } = engine;
  return {
    engine,
    pod: aPod({
      ...{ name: 'engine-0', port: Number(new URL(door.url).port), model: MODEL },
      ...(eventsPort !== undefined && { kvEvents: { kind: 'zmq', port: eventsPort, replayPort, ranks: 1 } }),
    }),
    asked: door.asked,
    async stop() {
      await door.stop();
      await engine.stop();
    },
  };
}

async function passOn(response: ServerResponse, honest: () => Promise<Response>): Promise<void> {
  const answer = await honest();
  const type = answer.headers.get('content-type');
  response.writeHead(answer.status, type === null ? {} : { 'content-type': type });
  response.end(Buffer.from(await answer.arrayBuffer()));
}

/** Answers with this status, and nothing else. */
export const refusing =
  (status: number): IllAnswer =>
  (_, response) =>
    response.writeHead(status).end();

/** What the engine answers itself, changed. */
export const changing =
  (change: (text: string) => string): IllAnswer =>
  async (_, response, honest) => {
    const answer = await honest();
    response
      .writeHead(answer.status, { 'content-type': 'application/json' })
      .end(change(await answer.text()));
  };

/** Never answers. */
export const HANGING: IllAnswer = () => {};
