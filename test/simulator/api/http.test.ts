import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { assert } from 'chai';
import type { SimulatedEngine } from '../../../src/simulator/engine.ts';
import { END_OF_SEQUENCE } from '../../../src/simulator/tokenizer.ts';
import { at, Bench, eventStreamData, type Json, post, request } from '../helpers.ts';

const SYSTEM = {
  role: 'system',
  content: 'You answer questions about a small library, shelf by shelf. '.repeat(8),
};
const USER = { role: 'user', content: 'Where is the atlas?' };

function cachedTokens(answer: { json: Json }): Json {
  return at(answer.json, 'usage', 'prompt_tokens_details', 'cached_tokens');
}

/** Starts a streamed chat that does not end by itself; resolves with its first bytes there. */
async function openStream(engine: SimulatedEngine) {
  const outgoing = httpRequest(`${engine.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  outgoing.end(JSON.stringify({ messages: [SYSTEM, USER], stream: true, ignore_eos: true }));
  const [incoming] = await once(outgoing, 'response');
  await once(incoming, 'data');
  incoming.on('error', () => {});
  outgoing.on('error', () => {});
  return { outgoing, incoming };
}

describe("the simulated engine's HTTP API", () => {
  const bench = new Bench();
  afterEach(() => bench.close());

  it('tells how much of a prompt was cached, and holds that much', async () => {
    const engine = await bench.engine();
    const body = { messages: [SYSTEM, USER], max_tokens: 4 };
    const first = await post(engine, '/v1/chat/completions', body);
    const { count, tokens } = (await post(engine, '/tokenize', body)).json as {
      count: number;
      tokens: number[];
    };
    const fullBlocks = Math.floor(count / 16);
    assert.isAbove(fullBlocks, 2);
    assert.equal(cachedTokens(first), 0);
    assert.equal(at(first.json, 'usage', 'prompt_tokens_details', 'created_cache_tokens'), 16 * fullBlocks);
    assert.equal(engine.cache.heldPrefixBlocks(tokens), fullBlocks);
    const second = await post(engine, '/v1/chat/completions', body);
    assert.equal(cachedTokens(second), 16 * fullBlocks);
    assert.deepEqual(
      engine.requests.map(({ path, model, promptTokens, cachedTokens: cached }) => [
        path,
        model,
        promptTokens,
        cached,
      ]),
      [
        ['/v1/chat/completions', 'tiny', count, 0],
        ['/v1/chat/completions', 'tiny', count, 16 * fullBlocks],
      ],
    );
  });

  it('finds its own answer again when it comes back as history', async () => {
    const engine = await bench.engine();
    const first = await post(engine, '/v1/chat/completions', { messages: [SYSTEM, USER] });
    assert.equal(at(first.json, 'choices', 0, 'finish_reason'), 'stop');
    const history = [
      SYSTEM,
      USER,
      { role: 'assistant', content: at(first.json, 'choices', 0, 'message', 'content') },
    ];
    const next = await post(engine, '/v1/chat/completions', { messages: [...history, USER], max_tokens: 1 });
    // All of prompt and answer but for the end token, in full blocks.
    const computed = (at(first.json, 'usage', 'total_tokens') as number) - 1;
    assert.equal(cachedTokens(next), computed - (computed % 16));
  });

  it('keeps what adapters and salts cached apart', async () => {
    const engine = await bench.engine({ adapters: ['ad1'] });
    const prompt = Array.from({ length: 40 }, (_, i) => i + 1);
    const ask = async (extra: object) =>
      cachedTokens(await post(engine, '/v1/completions', { prompt, max_tokens: 1, ...extra }));
    assert.equal(await ask({}), 0);
    assert.equal(await ask({ model: 'ad1' }), 0);
    assert.equal(await ask({ cache_salt: 's' }), 0);
    assert.equal(await ask({ model: 'ad1' }), 32);
    assert.equal(engine.cache.heldPrefixBlocks(prompt, { lora: 'ad1' }), 2);
    const stored = engine.cache.residentBlocks().filter(block => block.salt === 's');
    assert.deepEqual(
      stored.map(block => block.extraKeys),
      [['s'], null],
    );
  });

  it('streams a chat: role, one chunk per token, usage, end', async () => {
    const engine = await bench.engine();
    const body = { messages: [USER], max_tokens: 3, ignore_eos: true };
    const whole = await post(engine, '/v1/chat/completions', { ...body, return_token_ids: true });
    const streamed = await post(engine, '/v1/chat/completions', {
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = eventStreamData(streamed.text);
    assert.lengthOf(chunks, 6);
    assert.deepEqual(at(chunks[0]!, 'choices', 0, 'delta'), { role: 'assistant', content: '' });
    const text = chunks
      .slice(1, 4)
      .map(chunk => at(chunk, 'choices', 0, 'delta', 'content'))
      .join('');
    assert.equal(text, at(whole.json, 'choices', 0, 'message', 'content'));
    assert.deepEqual(
      chunks.slice(0, 4).map(chunk => at(chunk, 'choices', 0, 'finish_reason')),
      [null, null, null, 'length'],
    );
    assert.equal(at(chunks[4]!, 'usage', 'completion_tokens'), 3);
    assert.equal(chunks[5], '[DONE]');
    assert.lengthOf(at(whole.json, 'choices', 0, 'token_ids') as Json[], 3);
    const rendered = await post(engine, '/v1/chat/completions/render', body);
    assert.deepEqual(at(whole.json, 'prompt_token_ids'), at(rendered.json, 'token_ids'));
  });

  it('completes every prompt of a list, streamed or not', async () => {
    const engine = await bench.engine();
    const body = { prompt: ['one', 'two', 'three'], max_tokens: 2, ignore_eos: true, return_token_ids: true };
    const whole = await post(engine, '/v1/completions', body);
    assert.deepEqual(
      (at(whole.json, 'choices') as Json[]).map(choice => at(choice, 'index')),
      [0, 1, 2],
    );
    const streamed = await post(engine, '/v1/completions', { ...body, stream: true });
    for (const index of [0, 1, 2]) {
      const text = eventStreamData(streamed.text)
        .filter(chunk => typeof chunk === 'object' && at(chunk, 'choices', 0, 'index') === index)
        .map(chunk => at(chunk, 'choices', 0, 'text'));
      assert.equal(text.join(''), at(whole.json, 'choices', index, 'text'));
    }
    assert.equal(
      (await post(engine, '/v1/completions', { prompt: [[1, 2], [3]], max_tokens: 1 })).status,
      200,
    );
  });

  it('keeps responses where it is told to, and continues, shows and does not cancel them', async () => {
    const engine = await bench.engine({ responses: 'kept' });
    const ask = (body: object) => post(engine, '/v1/responses', { input: 'Where is the atlas?', ...body });
    const whole = await ask({});
    const id = String(at(whole.json, 'id'));
    assert.deepEqual((await request(engine, 'GET', `/v1/responses/${id}`)).json, whole.json);
    const next = await ask({ previous_response_id: id, input: 'And the globe?', stream: true });
    const [created] = eventStreamData(next.text);
    const said = engine.requests.map(({ promptTokens }) => promptTokens);
    assert.isAbove(said[1]!, said[0]! + (at(whole.json, 'usage', 'output_tokens') as number));
    const nextId = String(at(created as Json, 'response', 'id'));
    assert.equal(at((await request(engine, 'GET', `/v1/responses/${nextId}`)).json, 'status'), 'completed');
    assert.equal((await request(engine, 'POST', `/v1/responses/${id}/cancel`)).status, 400);
    await ask({ store: false, request_id: 'mine' });
    for (const answer of [
      await request(engine, 'GET', '/v1/responses/mine'),
      await request(engine, 'POST', '/v1/responses/mine/cancel'),
      await ask({ previous_response_id: 'mine' }),
      await ask({ previous_response_id: 'mine', background: true }),
    ]) {
      assert.equal(answer.status, 404);
      assert.equal(at(answer.json, 'error', 'message'), "Response with id 'mine' not found.");
    }
  });

  it('keeps none otherwise, and says so where it is asked for one in the background', async () => {
    const engine = await bench.engine();
    const made = await post(engine, '/v1/responses', { input: 'Where is the atlas?' });
    const shown = await request(engine, 'GET', `/v1/responses/${at(made.json, 'id')}`);
    assert.equal(shown.status, 404);
    const background = await post(engine, '/v1/responses', { input: 'x', background: true });
    assert.equal(background.status, 400);
    assert.include(background.text, 'VLLM_ENABLE_RESPONSES_API_STORE');
  });

  it('serves responses, whole and streamed, from text and from items', async () => {
    const engine = await bench.engine();
    const input = [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: '7 C' },
    ];
    const body = { input, instructions: 'Be brief.' };
    const whole = await post(engine, '/v1/responses', body);
    assert.equal(at(whole.json, 'status'), 'completed');
    const streamed = await post(engine, '/v1/responses', { ...body, stream: true });
    const events = eventStreamData(streamed.text);
    const deltas = events.filter(event => at(event, 'type') === 'response.output_text.delta');
    assert.equal(
      deltas.map(event => at(event, 'delta')).join(''),
      at(whole.json, 'output', 0, 'content', 0, 'text'),
    );
    assert.equal(at(events.at(-1)!, 'type'), 'response.completed');
    assert.isAbove(
      at(events.at(-1)!, 'response', 'usage', 'input_tokens_details', 'cached_tokens') as number,
      0,
    );
    const rendered = await post(engine, '/v1/responses/render', body);
    assert.lengthOf(
      at(rendered.json, 'token_ids') as Json[],
      at(whole.json, 'usage', 'input_tokens') as number,
    );
    assert.equal(
      at((await post(engine, '/v1/responses', { input: 'x', max_output_tokens: 1 })).json, 'status'),
      'incomplete',
    );
  });

  it("serves Anthropic's messages, whole and streamed, with tools", async () => {
    const engine = await bench.engine();
    const body = {
      max_tokens: 100,
      system: [{ type: 'text', text: SYSTEM.content }],
      tools: [{ name: 'f', description: 'd', input_schema: { type: 'object' } }],
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: { city: 'Oslo' } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: '7 C' }] },
      ],
    };
    const whole = await post(engine, '/v1/messages', body);
    assert.equal(at(whole.json, 'stop_reason'), 'end_turn');
    const streamed = eventStreamData((await post(engine, '/v1/messages', { ...body, stream: true })).text);
    const deltas = streamed.filter(event => at(event, 'type') === 'content_block_delta');
    assert.equal(
      deltas.map(event => at(event, 'delta', 'text')).join(''),
      at(whole.json, 'content', 0, 'text'),
    );
    assert.equal(at(streamed.at(-1)!, 'type'), 'message_stop');
    const counted = await post(engine, '/v1/messages/count_tokens', body);
    const usage = at(streamed.at(-2)!, 'usage') as { input_tokens: number; cache_read_input_tokens: number };
    assert.isAbove(usage.cache_read_input_tokens, 0);
    assert.equal(at(counted.json, 'input_tokens'), usage.input_tokens + usage.cache_read_input_tokens);
    const openai = await post(engine, '/tokenize', {
      messages: [
        SYSTEM,
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ type: 'function', function: { name: 'f', arguments: '{"city":"Oslo"}' } }],
        },
        { role: 'tool', content: '7 C' },
      ],
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } },
      ],
    });
    assert.equal(at(openai.json, 'count'), at(counted.json, 'input_tokens'));
  });

  it('embeds texts as vectors of length 1', async () => {
    const engine = await bench.engine();
    const answer = await post(engine, '/v1/embeddings', { input: ['one', 'two'] });
    for (const index of [0, 1]) {
      const vector = at(answer.json, 'data', index, 'embedding') as number[];
      assert.closeTo(Math.hypot(...vector), 1, 1e-9);
    }
    assert.isEmpty(engine.cache.residentBlocks());
  });

  it('ends the request of a client that leaves, and frees its blocks', async () => {
    const engine = await bench.engine({
      cost: { prefillTokensPerSecond: 1e6, decodeTokensPerSecond: 1_000, overheadMs: 0 },
    });
    const { outgoing } = await openStream(engine);
    assert.isAbove(engine.cache.usedBlocks, 0);
    assert.isFalse(engine.resetCache());
    outgoing.destroy();
    for (let aborted = false; !aborted; ) {
      const metrics = (await request(engine, 'GET', '/metrics')).text;
      aborted = metrics.includes(
        'vllm:request_success_total{engine="0",finished_reason="abort",model_name="tiny"} 1',
      );
    }
    assert.equal(engine.cache.usedBlocks, 0);
    assert.isTrue(engine.resetCache());
  });

  for (const how of ['stop', 'kill'] as const) {
    it(`ends streams under way on ${how}, and its ports are free again`, async () => {
      const engine = await bench.engine({
        cost: { prefillTokensPerSecond: 1e6, decodeTokensPerSecond: 1_000, overheadMs: 0 },
      });
      const { incoming } = await openStream(engine);
      const closed = new Promise(resolve => incoming.once('close', resolve));
      await Promise.all([engine[how](), engine[how](), closed]);
      assert.isFalse(incoming.complete);
      const { httpPort, eventsPort, replayPort } = engine;
      const again = await bench.engine({ httpPort, eventsPort: eventsPort!, replayPort: replayPort! });
      assert.equal((await request(again, 'GET', '/health')).status, 200);
    });
  }

  it('does not start on ports that are taken, nor with impossible sizes', async () => {
    const engine = await bench.engine();
    for (const port of ['httpPort', 'eventsPort', 'replayPort'] as const) {
      const error = await bench.engine({ [port]: engine[port]! }).catch((reason: unknown) => reason);
      assert.propertyVal(error, 'code', 'EADDRINUSE', port);
    }
    assert.instanceOf(await bench.engine({ cacheBlocks: 0 }).catch((reason: unknown) => reason), RangeError);
  });

  it('lowers the context to what the cache holds', async () => {
    const engine = await bench.engine({ cacheBlocks: 4 });
    assert.equal(at((await post(engine, '/tokenize', { prompt: 'x' })).json, 'max_model_len'), 64);
    const all = await post(engine, '/v1/completions', {
      prompt: new Array<number>(60).fill(5),
      max_tokens: 4,
    });
    assert.equal(all.status, 200);
  });

  it('counts in its metrics what it did', async () => {
    const engine = await bench.engine();
    const body = { prompt: Array.from({ length: 33 }, (_, i) => i + 1), max_tokens: 2, ignore_eos: true };
    await post(engine, '/v1/completions', body);
    await post(engine, '/v1/completions', body);
    const { text } = await request(engine, 'GET', '/metrics');
    const value = (name: string) => Number(new RegExp(`^vllm:${name}\\{[^}]*\\} (.*)$`, 'm').exec(text)?.[1]);
    assert.equal(value('prefix_cache_queries_total'), 66);
    assert.equal(value('prefix_cache_hits_total'), 32);
    assert.equal(value('generation_tokens_total'), 4);
    assert.equal(value('num_requests_running'), 0);
    assert.equal(value('num_requests_waiting'), 0);
    assert.equal(value('kv_cache_usage_perc'), 0);
    assert.equal(value('time_to_first_token_seconds_count'), 2);
    assert.include(
      text,
      'vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny"} 2',
    );
    assert.include(text, 'vllm:cache_config_info{block_size="16"');
  });

  it('takes over the request id, and shows the end token only as an id', async () => {
    const engine = await bench.engine();
    const response = await fetch(`${engine.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'abc' },
      body: JSON.stringify({ messages: [USER], return_token_ids: true }),
    });
    const answer = (await response.json()) as Json;
    assert.equal(at(answer, 'id'), 'chatcmpl-abc');
    assert.equal((at(answer, 'choices', 0, 'token_ids') as number[]).at(-1), END_OF_SEQUENCE);
    assert.notInclude(at(answer, 'choices', 0, 'message', 'content') as string, '<|im_end|>');
    assert.equal(engine.requests[0]!.headers['x-request-id'], 'abc');
  });

  it('refuses bodies that make no prompt', async () => {
    const engine = await bench.engine();
    const refused: [string, object, string | null][] = [
      ['/v1/completions', {}, 'body.prompt'],
      ['/v1/completions', { prompt: { a: 1 } }, 'body.prompt'],
      ['/v1/completions', { prompt: [] }, null],
      ['/v1/completions', { prompt: ['a', {}] }, 'body.prompt'],
      ['/v1/completions', { prompt: '' }, null],
      ['/v1/completions', { prompt: 'x', max_tokens: 0 }, 'max_tokens'],
      ['/v1/completions', { prompt: 'x', cache_salt: '' }, 'cache_salt'],
      ['/v1/completions', { prompt: 'x', max_tokens: 40_000 }, 'input_tokens'],
      ['/v1/chat/completions', { messages: 'x' }, 'body.messages'],
      ['/v1/messages', { messages: [USER] }, 'body.max_tokens'],
      ['/v1/messages', { max_tokens: 1 }, 'body.messages'],
      ['/v1/responses', {}, 'body.input'],
      ['/detokenize', {}, 'body.tokens'],
    ];
    for (const [path, body, param] of refused) {
      const answer = await post(engine, path, body);
      assert.equal(answer.status, 400, path);
      assert.deepEqual(
        [at(answer.json, 'error', 'param'), at(answer.json, 'error', 'code')],
        [param, 400],
        path,
      );
    }
    assert.equal((await request(engine, 'POST', '/tokenize', { raw: '[1]' })).status, 400);
  });

  it('has no render endpoints beyond chat and completions in 0.23', async () => {
    const engine = await bench.engine({ version: '0.23.0' });
    const paths = ['chat/completions', 'completions', 'responses', 'messages'];
    const statuses = await Promise.all(
      paths.map(
        async path => (await post(engine, `/v1/${path}/render`, { messages: [USER], prompt: 'x' })).status,
      ),
    );
    assert.deepEqual(statuses, [200, 200, 405, 404]);
    assert.equal((await request(engine, 'GET', '/v1/responses/render')).status, 404);
    assert.equal((await request(engine, 'GET', '/kv_event_sources')).status, 404);
  });

  it('tells where it publishes', async () => {
    const engine = await bench.engine({ topic: 'kv@sim' });
    const sources = (await request(engine, 'GET', '/kv_event_sources')).json;
    assert.equal(at(sources, '0', 'endpoint'), `tcp://*:${engine.eventsPort}`);
    assert.equal(at(sources, '0', 'replay_endpoint'), `tcp://*:${engine.replayPort}`);
    assert.equal(at(sources, '0', 'topic'), 'kv@sim');
    const silent = await bench.engine({ eventsPort: 'off', replayPort: 'off' });
    assert.isNull(at((await request(silent, 'GET', '/kv_event_sources')).json, '0', 'endpoint'));
  });
});
