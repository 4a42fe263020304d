import { assert } from 'chai';
import { type EngineFleet, envoyReady, MODEL, startEngineFleet } from './support/fleet.ts';
import type { Answer } from './support/llm-client.ts';

/** Three engines with real KV caches, the program, and Envoy in front: what the README promises. */
describe('The story', function () {
  this.timeout(20_000);
  let fleet: EngineFleet;

  before(async function () {
    await envoyReady.call(this);
    fleet = await startEngineFleet();
  });
  after(() => fleet?.stop());

  interface Message {
    readonly role: 'system' | 'user' | 'assistant';
    readonly content: string;
  }

  async function chat(messages: readonly Message[]): Promise<Answer> {
    const body = { model: MODEL, messages, max_tokens: 40, ignore_eos: true };
    const answer = await fleet.post('/v1/chat/completions', body);
    assert.equal(answer.status, 200, answer.text);
    await fleet.indexed();
    return answer;
  }

  const system = (name: string): Message => ({
    role: 'system',
    content: `You are ${name}. ${'Answer with care, in whole sentences, and name your sources. '.repeat(12)}`,
  });
  const user = (content: string): Message => ({ role: 'user', content });
  const replyIn = ({ text }: Answer): Message =>
    (JSON.parse(text) as { choices: [{ message: Message }] }).choices[0].message;

  /** The router's word about the cache, and the engine's. */
  function assertWarm(answer: Answer): void {
    const { decision, usage } = answer;
    const { blockSizeTokens } = fleet.engineAt(answer.servedBy).cache;
    assert.equal(decision?.reason, 'prefix_match');
    assert.isAbove(decision?.matchedBlocks ?? 0, 0);
    assert.equal((decision?.matchedBlocks ?? 0) * blockSizeTokens, usage?.cachedTokens);
    assert.equal(decision?.totalBlocks, Math.floor((usage?.promptTokens ?? 0) / blockSizeTokens));
    assert.equal(decision?.pod, fleet.engineAt(answer.servedBy).name);
  }

  it('the first request with a prompt goes to some engine, which has to compute all of it', async () => {
    const first = await chat([system('Ada'), user('Who are you?')]);
    assert.include(first.decision, { reason: 'no_match', matchedBlocks: 0 });
    assert.equal(first.usage?.cachedTokens, 0);
  });

  it('the second one with the same prefix goes to the engine that holds it', async () => {
    const [one, other] = [
      await chat([system('Grace'), user('Hello!')]),
      await chat([system('Edsger'), user('Hi!')]),
    ];
    for (const [first, name] of [
      [one, 'Grace'],
      [other, 'Edsger'],
    ] as const) {
      const second = await chat([system(name), user(`What is on your mind today, ${name}?`)]);
      assertWarm(second);
      assert.equal(second.servedBy, first.servedBy);
    }
  });

  it('a conversation stays where it began, and its own answers are warm too', async () => {
    const messages = [system('Barbara'), user('Tell me about abstract data types.')];
    let answer = await chat(messages);
    const { servedBy } = answer;
    for (const question of ['And what about clusters?', 'Which came first?', 'Thank you. One more thing?']) {
      const { cachedTokens = 0, promptTokens = 0 } = answer.usage ?? {};
      messages.push(replyIn(answer), user(question));
      answer = await chat(messages);
      assertWarm(answer);
      assert.equal(answer.servedBy, servedBy);
      assert.isAbove(answer.usage?.cachedTokens ?? 0, Math.max(cachedTokens, promptTokens));
    }
  });

  it('when the engine has cleared its cache the next request goes by load', async () => {
    const messages = [system('Niklaus'), user('Shorter, please.')];
    const first = await chat(messages);
    const holder = fleet.engineAt(first.servedBy);
    const response = await fetch(`${holder.url}/reset_prefix_cache`, { method: 'POST' });
    assert.deepEqual(await response.json(), { success: true });
    holder.publishPending();
    await fleet.indexed();

    const next = await chat(messages);
    assert.include(next.decision, { reason: 'no_match', matchedBlocks: 0 });
    assert.equal(next.usage?.cachedTokens, 0);
    assertWarm(await chat(messages));
  });
});
