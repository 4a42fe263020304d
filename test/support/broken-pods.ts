/** Pods that fail in the ways that engines do, and a client that counts what that costs. */
import { setTimeout as delay } from 'node:timers/promises';
import { aPod } from './builders.ts';
import type { Fleet } from './fleet.ts';
import { freePort } from './free-port.ts';
import { type AnswerTo, answerBriefly, startTinyPod, type TinyPod } from './tiny-pod.ts';

/** What a pod of a test does with every request, `GET /health` included, unless its name says otherwise. */
export type Failure = 'answers 503' | 'never answers' | 'answers 500 to every second request' | 'closed port';

export const FAILURES: readonly Failure[] = [
  'answers 503',
  'never answers',
  'answers 500 to every second request',
  'closed port',
];

/** After so long, like an engine with a short answer. */
const ANSWER_AFTER_MS = 300;

export const answerSlowly: AnswerTo = (received, response) => {
  setTimeout(() => answerBriefly(received, response), ANSWER_AFTER_MS);
};

const answer503: AnswerTo = (_, response) => {
  response.statusCode = 503;
  response.end('{"error":{"message":"no","code":503}}');
};

export function startBrokenPod(
  name: string,
  failure: Failure,
  health: 'fails, too' | 'is well',
): Promise<TinyPod> {
  const start = (answer: AnswerTo) =>
    startTinyPod(name, answer, health === 'is well' ? answerBriefly : answer);
  switch (failure) {
    case 'answers 503':
      return start(answer503);
    case 'never answers':
      return start(() => {});
    case 'answers 500 to every second request': {
      let requests = 0;
      return start((received, response) => {
        if (requests++ % 2 === 1) return answerBriefly(received, response);
        response.statusCode = 500;
        response.end('{"error":{"message":"oh","code":500}}');
      });
    }
    case 'closed port':
      return closedPod(name);
  }
}

async function closedPod(name: string): Promise<TinyPod> {
  const port = await freePort();
  return {
    pod: aPod({ name, port }),
    address: `127.0.0.1:${port}`,
    requests: [],
    polls: [],
    stop: async () => {},
  };
}

export interface Result {
  /** 0: no answer in time. */
  readonly status: number;
}

/** So many different prompts, so many at a time; in the order in which they were sent. */
export async function askMany(
  fleet: Pick<Fleet, 'envoy'>,
  { requests, atATime, timeoutMs }: { requests: number; atATime: number; timeoutMs: number },
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      while (next < requests) {
        const i = next++;
        results[i] = await ask(
          fleet.envoy.url,
          `Prompt ${i}: ${'tell me a story. '.repeat(10)}${i}`,
          timeoutMs,
        );
      }
    }),
  );
  return results;
}

async function ask(url: string, prompt: string, timeoutMs: number): Promise<Result> {
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'demo', prompt }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.arrayBuffer();
    return { status: response.status };
  } catch {
    // A test that fails at once must not spin.
    await delay(10);
    return { status: 0 };
  }
}
