import { assert } from 'chai';
import { fingerprintsOf } from '../../src/prompt/fingerprints.ts';
import { parsePrompt } from '../../src/prompt/request.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

function placesOf(path: string, body: object, seed = 1): number[] {
  const parsed = parsePrompt(path, undefined, Buffer.from(JSON.stringify({ model: 'm', ...body })));
  if (parsed.kind !== 'prompt') assert.fail('not a prompt');
  return fingerprintsOf(parsed.prompt, seed);
}

/** How many places two prompts have in common from the start. */
function shared(path: string, a: object, b: object): number {
  const [one, other] = [placesOf(path, a), placesOf(path, b)];
  const differing = one.findIndex((place, i) => place !== other[i]);
  return differing < 0 ? one.length : differing;
}

const user = (content: unknown) => ({ role: 'user', content });
const LONG = 'A document of some length. '.repeat(400);

describe('fingerprintsOf', () => {
  it('has a place behind each message', () => {
    assert.lengthOf(placesOf(CHAT, { messages: [user('a'), user('b')] }), 2);
    assert.equal(shared(CHAT, { messages: [user('a'), user('b')] }, { messages: [user('a'), user('c')] }), 1);
    assert.equal(shared(CHAT, { messages: [user('a')] }, { messages: [user('a'), user('c')] }), 1);
  });

  it('has places within long texts, at which others may end differently', () => {
    for (const [path, body] of [
      [COMPLETIONS, (text: string) => ({ prompt: text })],
      [RESPONSES, (text: string) => ({ input: text })],
      [CHAT, (text: string) => ({ messages: [user(text)] })],
    ] as const) {
      const common = shared(path, body(`${LONG}And why?`), body(`${LONG}And how?`));
      assert.isAbove(common, 10);
      assert.isBelow(common, 30);
      assert.equal(shared(path, body(`1 ${LONG}`), body(`2 ${LONG}`)), 0);
    }
  });

  for (const [what, path, body] of [
    ['the model', CHAT, { messages: [user('a')], model: 'n' }],
    ['the salt', CHAT, { messages: [user('a')], cache_salt: 's' }],
    ['the system text', MESSAGES, { messages: [user('a')], system: 's' }],
    ['the instructions', RESPONSES, { input: [user('a')], instructions: 's' }],
    ['an image', CHAT, { messages: [user([{ type: 'image_url', image_url: { url: 'data:,1' } }])] }],
  ] as const) {
    it(`tells ${what} apart`, () => {
      const plain = path === RESPONSES ? { input: [user('a')] } : { messages: [user('a')] };
      assert.equal(shared(path, plain, body), 0);
    });
  }

  it('does not mind what moves from turn to turn', () => {
    const marked = (text: string, more: object) => user([{ type: 'text', text, ...more }]);
    const cache = { cache_control: { type: 'ephemeral' } };
    const header = (hash: number) => [{ type: 'text', text: `x-anthropic-billing-header: cch=${hash}` }];
    const one = { system: header(1), messages: [marked('a', cache)], max_tokens: 5 };
    const other = { max_tokens: 6, system: header(2), messages: [marked('a', {}), marked('b', cache)] };
    assert.equal(shared(MESSAGES, one, other), 1);
  });

  it('keeps apart what engines cache apart', () => {
    const messages = [user('a')];
    const all = [{}, { cache_salt: 's' }, { lora_path: 's' }, { extra_key: 's' }, { extra_key: ['s'] }];
    const places = all.map(given => placesOf(CHAT, { messages, ...given })[0]);
    assert.equal(new Set(places).size, all.length);
  });

  it('has a seed', () => {
    const body = { messages: [user('a')] };
    assert.notDeepEqual(placesOf(CHAT, body, 1), placesOf(CHAT, body, 2));
  });

  it('has no places for what has no prompt of text', () => {
    assert.isEmpty(placesOf('/v1/embeddings', { input: 'x' }));
    assert.isEmpty(placesOf(COMPLETIONS, { prompt: [1, 2, 3] }));
  });

  it('gives up on bodies of many megabytes, and on nesting deeper than the stack', () => {
    assert.isEmpty(placesOf(COMPLETIONS, { prompt: 'x'.repeat(5_000_000) }));
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    const prompt = {
      path: CHAT,
      model: 'm',
      adapter: undefined,
      salt: '',
      extraKey: '',
      content: { kind: 'chat' },
      raw: Buffer.alloc(0),
    } as const;
    assert.lengthOf(fingerprintsOf({ ...prompt, body: { messages: [user('a'), user(deep)] } }, 1), 1);
  });
});
