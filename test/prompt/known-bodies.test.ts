/** Whatever was parsed before, a body is what `JSON.parse` makes of it. */
import { assert } from 'chai';
import fc from 'fast-check';
import { KnownBodies } from '../../src/prompt/known/known-bodies.ts';

const MAX_BYTES = 1e6;
/** Longer than what is not looked for. */
const LONG = 'x'.repeat(9_000);

const parse = (bytes: Uint8Array): Record<string, unknown> => JSON.parse(new TextDecoder().decode(bytes));
const bytesOf = (body: unknown) => Buffer.from(JSON.stringify(body));
const user = (content: unknown) => ({ role: 'user', content });

/** Bodies that were parsed, and how many bytes were known of the last one. */
function knowing(...bodies: (object | string)[]) {
  let known = 0;
  const kept = new KnownBodies(MAX_BYTES, bytes => {
    known = bytes.known;
  });
  const read = (body: object | string) =>
    kept.parse(typeof body === 'string' ? Buffer.from(body) : bytesOf(body), parse);
  for (const body of bodies) read(body);
  return {
    kept,
    read,
    get known() {
      return known;
    },
  };
}

/** The body as it is without what was kept, and its error. */
function outcome(read: () => unknown): string {
  try {
    return JSON.stringify(read());
  } catch (error) {
    return String(error);
  }
}

describe('bodies of which parts were parsed before', () => {
  it('have the objects of that time', () => {
    const [first, second, third] = [user(LONG), { role: 'assistant', content: 'ä"\\' }, user('then')];
    const tools = [{ type: 'function', function: { name: 'f', description: 'y'.repeat(1_000) } }];
    const bodies = knowing({ model: 'm', messages: [first, second], tools });
    const again = bodies.read({ messages: [first, second, third], tools, model: 'm' });
    assert.equal(bodies.known, bytesOf([first, second]).length - 2 + bytesOf(tools).length);
    assert.deepEqual(again, { messages: [first, second, third], tools, model: 'm' });
    const more = bodies.read({ model: 'n', tools, messages: [first, second, third] });
    for (let i = 0; i < 3; i++)
      assert.strictEqual((more.messages as object[])[i], (again.messages as object[])[i]);
    assert.strictEqual(more.tools, again.tools);
  });

  it('share beginnings with all that were kept', () => {
    const system = { role: 'system', content: LONG };
    const chats = ['a', 'b', 'c', 'd', 'e'].map(name => [system, user(name), user('2')]);
    const bodies = knowing(...chats.map(messages => ({ messages })));
    const objects = chats.map(messages => bodies.read({ messages }).messages as object[]);
    assert.equal(new Set(objects.map(([first]) => first)).size, 1);
    assert.equal(new Set(objects.map(([, second]) => second)).size, 5);
    bodies.read({ messages: [system, user('c'), user('3')] });
    assert.equal(bodies.known, bytesOf([system, user('c')]).length - 2);
  });

  const list = `{"role":"user","content":"${LONG}"}`;
  const doubtful: Readonly<Record<string, string>> = {
    'a second list of that name': `{"messages":[${list}],"messages":[{"role":"x"}]}`,
    'a second list of that name, written otherwise': `{"messages":[${list}],"m\\u0065ssages":[{"role":"x"}]}`,
    'a first list of that name, written otherwise': `{"m\\u0065ssages":[{"role":"x"}],"messages":[${list}]}`,
    'a list within': `{"metadata":{"messages":[${list}]},"messages":"none"}`,
    'what are no objects': `{"messages":[${list},1,null,"x"]}`,
    'no messages': `{"messages":[],"pad":"${LONG}"}`,
    'a mark of the byte order': `\ufeff{"messages":[${list}]}`,
    'white space': ` {\n"messages" :\t[ ${list} \r\n, {} ] , "model" : 1e3 } \n`,
    'members of prototypes': `{"__proto__":{"a":1},"messages":[${list},{"__proto__":{}}],"constructor":2}`,
    'an end in the middle': `{"messages":[${list},{"role":`,
    'a comma too many': `{"messages":[${list},],"model":"m"}`,
    'something behind': `{"messages":[${list}]}}`,
    'no comma': `{"messages":[${list}{}]}`,
    'a list': `[${list}]`,
    'an end within its tools': `{"messages":[${list}],"tools":"${LONG}`,
    'an end within its system prompt': `{"messages":[${list}],"system":[{"text":"${LONG}"`,
    'equal members': `{"tools":["${LONG}"],"system":["${LONG}"],"messages":[${list}]}`,
    'more members than any has': `{${Array.from({ length: 200 }, (_, i) => `"${i}":0,`).join('')}"messages":[${list}]}`,
    'a text': `"${LONG}"`,
  };
  for (const [what, text] of Object.entries(doubtful)) {
    it(`are what they are with ${what}`, () => {
      const { read } = knowing(`{"messages":[${list}],"tools":"${LONG}"}`, `{"messages":[${list},{}]}`);
      for (let i = 0; i < 2; i++)
        assert.equal(
          outcome(() => read(text)),
          outcome(() => parse(Buffer.from(text))),
        );
    });
  }

  it('are what JSON.parse makes of them, whatever came before, and errors are its own', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '"', '\\', '{', '}', '[', ']', ',', ':', 'é', '語', '\n'),
      maxLength: 12,
    });
    const message = fc.oneof(
      fc.record({ role: text, content: fc.oneof(text, fc.constant(LONG)) }, { requiredKeys: [] }),
      fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })),
      fc.constantFrom(user('a'), user('b'), user(LONG)),
    );
    const name = fc.constantFrom('messages', 'input');
    const body = fc.record({
      name,
      messages: fc.array(
        fc.oneof({ weight: 20, arbitrary: message }, { weight: 1, arbitrary: fc.jsonValue() }),
        { maxLength: 8 },
      ),
      tools: fc.option(fc.constantFrom([LONG], [{ a: LONG }, 1], 'x')),
      other: fc.dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
      indent: fc.constantFrom(undefined, 1),
      order: fc.constantFrom('list', 'tools'),
    });
    // A conversation that goes on, parts from itself, or is cut or changed on its way.
    const damage = fc.option(
      fc.record({
        at: fc.nat(30_000),
        byte: fc.option(fc.constantFrom(...Buffer.from('"\\{}[],: x\xff', 'latin1'))),
      }),
      { freq: 5 },
    );
    const turn = fc.record({ keep: fc.nat(8), body, damage });
    fc.assert(
      fc.property(
        fc.array(turn, { minLength: 2, maxLength: 10 }),
        fc.constantFrom(MAX_BYTES, 200_000),
        (turns, maxBytes) => {
          const kept = new KnownBodies(maxBytes);
          let messages: unknown[] = [user(LONG)];
          for (const { keep, body, damage } of turns) {
            messages = [...messages.slice(0, 1 + keep), ...body.messages];
            const list = { [body.name]: messages };
            const tools = body.tools === null ? {} : { tools: body.tools };
            const whole =
              body.order === 'list'
                ? { ...list, ...tools, ...body.other }
                : { ...body.other, ...tools, ...list };
            let bytes = Buffer.from(JSON.stringify(whole, null, body.indent));
            if (damage !== null && damage.at < bytes.length) {
              if (damage.byte === null) bytes = bytes.subarray(0, damage.at);
              else bytes[damage.at] = damage.byte;
            }
            const [found, expected] = [() => kept.parse(bytes, parse), () => parse(bytes)].map(outcome);
            assert.equal(found, expected);
            assert.isAtMost(kept.bytes, maxBytes);
          }
        },
      ),
    );
  });

  it('are kept up to a bound, and what was used longest ago goes', () => {
    const chat = (name: string) => ({ messages: [user(name + LONG)] });
    const bodies = knowing(...Array.from({ length: 100 }, (_, i) => chat(`${i} `)));
    assert.isAtMost(bodies.kept.bytes, MAX_BYTES);
    assert.isAbove(bodies.kept.bytes, MAX_BYTES / 2);
    bodies.read(chat('99 '));
    assert.isAbove(bodies.known, 0);
    bodies.read(chat('0 '));
    assert.equal(bodies.known, 0);
  });

  it('are not kept where one takes too much, where they are short, or where nothing is to be kept', () => {
    for (const { kept, read } of [
      { kept: new KnownBodies(MAX_BYTES), read: { messages: [user('x'.repeat(MAX_BYTES))] } },
      { kept: new KnownBodies(MAX_BYTES), read: { messages: [user('x')] } },
      { kept: new KnownBodies(MAX_BYTES), read: { messages: [user('x')], pad: LONG } },
      { kept: new KnownBodies(0), read: { messages: [user(LONG)] } },
    ]) {
      kept.parse(bytesOf(read), parse);
      assert.equal(kept.bytes, 0);
    }
  });

  it('count what their objects take, however short their text is', () => {
    const bodies = knowing({ messages: [user(Array(200).fill({})), user(LONG)] });
    assert.isAbove(bodies.kept.bytes, 2 * LONG.length + 200 * 100);
  });

  it('keep no larger memory than their own', () => {
    const body = bytesOf({ messages: [user(LONG)] });
    const larger = Buffer.alloc(10 * body.length);
    body.copy(larger, 500);
    let known = 0;
    const kept = new KnownBodies(MAX_BYTES, bytes => {
      known = bytes.known;
    });
    kept.parse(larger.subarray(500, 500 + body.length), parse);
    // What is kept is a copy, which this does not change.
    larger.fill(0);
    kept.parse(body, parse);
    assert.equal(known, bytesOf(user(LONG)).length);
  });
});
