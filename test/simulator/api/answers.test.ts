import { assert } from 'chai';
import type { EngineOptions, SimulatedEngine } from '../../../src/simulator/engine.ts';
import { at, Bench, eventStreamData, fixture, type Json, request, shapeOf } from '../helpers.ts';

/** One exchange with a real server. `server` tells how that one was started. */
interface Recorded {
  readonly server: 'g' | 'lora' | 'scale-out-off' | 'strict-tools' | 'reasoning';
  readonly note: string;
  readonly method: string;
  readonly path: string;
  readonly body?: Json;
  /** Sent instead of JSON. */
  readonly raw?: string;
  readonly contentType: string | null;
  readonly status: number;
  readonly answer?: Json;
  /** The first two and the last three events of a stream. */
  readonly chunks?: Json[];
  /** A stream, of events alike in a row the first one. */
  readonly stream?: Json[];
}

const SERVERS: Record<string, Record<Recorded['server'], Partial<EngineOptions>>> = {
  '0.32.0': {
    g: { maxModelLen: 512 },
    lora: { adapters: ['ad1'] },
    'scale-out-off': { render: 'off' },
    'strict-tools': { model: 'sim-model' },
    reasoning: { model: 'sim-model' },
  },
  '0.23.0': {
    g: { eventEncoding: 'array', maxModelLen: 4_096 },
    lora: { eventEncoding: 'array', adapters: ['ad1'] },
    'scale-out-off': {},
    'strict-tools': {},
    reasoning: {},
  },
};

function recordings(version: string): Recorded[] {
  const answers = fixture<Recorded[]>(`vllm-${version}-answers.json`);
  // What clients' libraries ask for: tools, reasoning, all of a stream's events.
  return version === '0.32.0'
    ? [...answers, ...fixture<Recorded[]>(`vllm-${version}-clients.json`)]
    : answers;
}

/** The types of a stream's events, once for several alike in a row. */
function unlikeEvents(events: readonly Json[]): unknown[] {
  const types = events.map(event =>
    typeof event === 'string' ? event.replace('data: ', '') : typesOf(event),
  );
  return types.filter((each, i) => JSON.stringify(each) !== JSON.stringify(types[i - 1]));
}

/** `shapeOf` without the order of keys, and with what an event says that it is. */
function typesOf(value: Json): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) return value.slice(0, 1).map(typesOf);
  if (typeof value !== 'object') return typeof value;
  const named = (key: string) => key === 'type' || key === 'status' || key.endsWith('_reason');
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(key => [key, named(key) && typeof value[key] === 'string' ? value[key] : typesOf(value[key]!)]),
  );
}

/** What of an error answer must be the same to the letter. */
function comparable(version: string, recorded: Json): Json {
  const error = (recorded as { error?: { [key: string]: Json } } | null)?.error;
  if (error === undefined) return recorded;
  // 0.23 repeats the input and its own file paths in validation errors.
  const message = version === '0.23.0' && error.type === 'Bad Request' ? '' : error.message!;
  return { error: { ...error, message, param: version === '0.23.0' && message === '' ? '' : error.param! } };
}

function wasCached(answer: Json | undefined): boolean {
  const usage = (answer as { usage?: { prompt_tokens_details?: { cached_tokens: number } | null } } | null)
    ?.usage;
  return (usage?.prompt_tokens_details?.cached_tokens ?? 0) > 0;
}

for (const [version, servers] of Object.entries(SERVERS)) {
  describe(`compared with what vLLM ${version} answered`, () => {
    const bench = new Bench();
    const engines = new Map<Recorded['server'], SimulatedEngine>();
    before(async () => {
      for (const [name, options] of Object.entries(servers)) {
        engines.set(name as Recorded['server'], await bench.engine(options));
      }
    });
    after(() => bench.close());

    for (const recorded of recordings(version)) {
      const { server, method, path, note } = recorded;
      it(`has the same status and shape for ${method} ${path}: ${note} (${server})`, async () => {
        const engine = engines.get(server)!;
        // 0.23 tells of cached tokens only if there are some.
        if (wasCached(recorded.answer)) await request(engine, method, path, recorded);
        const answer = await request(engine, method, path, recorded);
        assert.equal(answer.status, recorded.status, answer.text);
        if (recorded.chunks !== undefined) {
          const own = eventStreamData(answer.text);
          const chunks = [...own.slice(0, 2), ...own.slice(-3)];
          assert.deepEqual(chunks.map(shapeOf), recorded.chunks.map(shapeOf));
        } else if (recorded.stream !== undefined) {
          const own = eventStreamData(answer.text);
          assert.deepEqual(unlikeEvents(own), unlikeEvents(recorded.stream));
        } else if (recorded.status >= 400) {
          assert.deepEqual(comparable(version, answer.json), comparable(version, recorded.answer!));
        } else if (recorded.answer !== '') {
          assert.deepEqual(shapeOf(answer.json), shapeOf(recorded.answer!));
        }
      });
    }

    it('reports its version', async () => {
      const answer = await request(engines.get('g')!, 'GET', '/version');
      assert.equal(at(answer.json, 'version'), version);
    });
  });
}
