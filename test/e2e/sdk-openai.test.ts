import { assert } from 'chai';
import type OpenAI from 'openai';
import { NotFoundError } from 'openai';
import { envoyReady, MODEL } from '../support/fleet.ts';
import {
  CITY,
  CITY_SCHEMA,
  SDK_SETTINGS,
  type SdkClients,
  startSdkClients,
  systemFor,
  twoTurns,
} from '../support/sdk-clients.ts';

type Message = OpenAI.ChatCompletionMessageParam;

const TOOLS: OpenAI.ChatCompletionFunctionTool[] = [
  { type: 'function', function: { name: 'weather', description: 'Now', parameters: CITY_SCHEMA } },
];

for (const setting of SDK_SETTINGS) {
  describe(`The official openai client (${setting.file}, render ${setting.render})`, function () {
    this.timeout(20_000);
    let clients: SdkClients;
    let openai: OpenAI;

    before(async function () {
      await envoyReady.call(this);
      clients = await startSdkClients(setting);
      openai = clients.openai;
    });
    after(() => clients?.stop());

    const opening = (conversation: string): Message[] => [
      { role: 'system', content: systemFor(conversation) },
      { role: 'user', content: 'Where is the atlas?' },
    ];

    it('has a chat of two turns', async () => {
      const messages = opening('a plain chat');
      await twoTurns(
        clients,
        () => openai.chat.completions.create({ model: MODEL, messages }),
        async ({ choices: [choice], usage, object }) => {
          assert.equal(object, 'chat.completion');
          assert.equal(choice?.finish_reason, 'stop');
          assert.equal(usage?.prompt_tokens_details?.cached_tokens, 0);
          const answer = choice?.message;
          assert.isNotEmpty(answer?.content);
          const next = await openai.chat.completions.create({
            model: MODEL,
            messages: [...messages, answer!, { role: 'user', content: 'And the cookbook?' }],
          });
          assert.isAbove(next.usage?.prompt_tokens_details?.cached_tokens ?? 0, usage!.prompt_tokens - 16);
        },
      );
    });

    it('has one streamed, with usage at the end', async () => {
      const messages = opening('a streamed chat');
      const stream = async (turn: Message[]) => {
        const chunks = await openai.chat.completions.create({
          ...{ model: MODEL, messages: turn, stream: true, stream_options: { include_usage: true } },
        });
        let content = '';
        let usage: OpenAI.CompletionUsage | null | undefined;
        for await (const chunk of chunks) {
          content += chunk.choices[0]?.delta.content ?? '';
          usage = chunk.usage;
        }
        assert.isAbove(usage?.completion_tokens ?? 0, 10);
        return content;
      };
      await twoTurns(
        clients,
        () => stream(messages),
        content =>
          stream([
            ...messages,
            { role: 'assistant', content },
            { role: 'user', content: 'And the cookbook?' },
          ]),
      );
    });

    it('calls a tool and gives back its result', async () => {
      const messages = opening('a tool');
      await twoTurns(
        clients,
        () =>
          openai.chat.completions.create({ model: MODEL, messages, tools: TOOLS, tool_choice: 'required' }),
        async ({ choices: [choice] }) => {
          assert.equal(choice?.finish_reason, 'tool_calls');
          const call = choice?.message.tool_calls?.[0] as OpenAI.ChatCompletionMessageFunctionToolCall;
          assert.deepEqual(JSON.parse(call.function.arguments), { city: CITY });
          const result: Message = { role: 'tool', tool_call_id: call.id, content: '7 C' };
          const { choices } = await openai.chat.completions.create({
            ...{ model: MODEL, messages: [...messages, choice!.message, result], tools: TOOLS },
          });
          assert.equal(choices[0]?.finish_reason, 'stop');
        },
      );
    });

    it('calls one while it streams', async () => {
      const messages = opening('a tool in a stream');
      const named = { type: 'function', function: { name: 'weather' } } as const;
      await twoTurns(
        clients,
        async () => {
          const stream = openai.chat.completions.stream({
            ...{ model: MODEL, messages, tools: TOOLS, tool_choice: named },
          });
          const deltas: string[] = [];
          stream.on('tool_calls.function.arguments.delta', ({ arguments_delta }) => {
            deltas.push(arguments_delta);
          });
          const { choices } = await stream.finalChatCompletion();
          const { message } = choices[0]!;
          const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
          assert.isAbove(deltas.length, 1);
          assert.equal(deltas.join(''), call?.function.arguments);
          assert.deepInclude(call?.function, { name: 'weather', arguments: JSON.stringify({ city: CITY }) });
          return { message, id: call!.id };
        },
        ({ message, id }) =>
          openai.chat.completions
            .stream({
              ...{ model: MODEL, tools: TOOLS },
              messages: [...messages, message, { role: 'tool', tool_call_id: id, content: '7 C' }],
            })
            .finalContent(),
      );
    });

    it('completes a text, streamed too', async () => {
      const prompt = systemFor('a completion');
      await twoTurns(
        clients,
        () => openai.completions.create({ model: MODEL, prompt }),
        async ({ choices }) => {
          const longer = `${prompt}${choices[0]?.text} And then came the winter, and with it the long evenings.`;
          let text = '';
          for await (const chunk of await openai.completions.create({
            model: MODEL,
            prompt: longer,
            stream: true,
          }))
            text += chunk.choices[0]?.text ?? '';
          assert.isNotEmpty(text);
        },
      );
    });

    it('embeds: as base64, its own default, and as numbers', async () => {
      const input = ['one text', 'another text'];
      const { data } = await openai.embeddings.create({ model: MODEL, input });
      const numbers = await openai.embeddings.create({ model: MODEL, input, encoding_format: 'float' });
      assert.equal(clients.told().reason, 'no_prompt');
      for (const [i, { embedding }] of numbers.data.entries()) {
        assert.lengthOf(data[i]!.embedding, embedding.length);
        for (const [j, value] of embedding.entries()) assert.closeTo(data[i]!.embedding[j]!, value, 1e-6);
      }
    });

    it('lists the models', async () => {
      const ids: string[] = [];
      for await (const { id } of openai.models.list()) ids.push(id);
      assert.deepEqual(ids, [MODEL]);
      assert.deepInclude(await openai.models.retrieve(MODEL), { id: MODEL, object: 'model' });
      const unknown = await openai.models.retrieve('other').catch((error: unknown) => error);
      assert.instanceOf(unknown, NotFoundError);
    });
  });
}
