import { assert } from 'chai';
import type OpenAI from 'openai';
import { BadRequestError, NotFoundError } from 'openai';
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

type Item = OpenAI.Responses.ResponseInputItem;

const TOOLS: OpenAI.Responses.FunctionTool[] = [
  { type: 'function', name: 'weather', description: 'Now', parameters: CITY_SCHEMA, strict: true },
];
const QUESTION: Item = { role: 'user', content: 'Where is the atlas?' };
const NEXT: Item = { role: 'user', content: [{ type: 'input_text', text: 'And the cookbook?' }] };

for (const setting of SDK_SETTINGS) {
  describe(`The official openai client's responses (${setting.file}, render ${setting.render})`, function () {
    this.timeout(20_000);
    let clients: SdkClients;
    let openai: OpenAI;

    before(async function () {
      await envoyReady.call(this);
      clients = await startSdkClients(setting);
      openai = clients.openai;
    });
    after(() => clients?.stop());

    it('are those of a conversation', async () => {
      const instructions = systemFor('a plain response');
      await twoTurns(
        clients,
        () => openai.responses.create({ model: MODEL, instructions, input: 'Where is the atlas?' }),
        async ({ status, output, output_text, usage }) => {
          assert.equal(status, 'completed');
          assert.isNotEmpty(output_text);
          assert.equal(usage?.input_tokens_details.cached_tokens, 0);
          const input = [QUESTION, ...(output as Item[]), NEXT];
          const next = await openai.responses.create({ model: MODEL, instructions, input });
          assert.isAbove(next.usage?.input_tokens_details.cached_tokens ?? 0, usage!.input_tokens - 16);
        },
      );
    });

    it('stream, with all that is said in events', async () => {
      const instructions = systemFor('a streamed response');
      const stream = async (input: Item[]) => {
        const types = new Set<string>();
        let text = '';
        const events = openai.responses.stream({ model: MODEL, instructions, input });
        for await (const event of events) {
          types.add(event.type);
          if (event.type === 'response.output_text.delta') text += event.delta;
        }
        const { status, output, output_text } = await events.finalResponse();
        assert.equal(status, 'completed');
        assert.equal(output_text, text);
        assert.includeMembers(
          [...types],
          [
            'response.created',
            'response.output_item.added',
            'response.output_item.done',
            'response.completed',
          ],
        );
        return output;
      };
      await twoTurns(
        clients,
        () => stream([QUESTION]),
        output => stream([QUESTION, ...(output as Item[]), NEXT]),
      );
    });

    it('call functions, and are told their outputs', async () => {
      const instructions = systemFor('a function');
      await twoTurns(
        clients,
        () =>
          openai.responses.create({
            ...{ model: MODEL, instructions, input: [QUESTION], tools: TOOLS, tool_choice: 'required' },
          }),
        async ({ output }) => {
          const [call] = output;
          assert.equal(call?.type, 'function_call');
          assert.deepInclude(call, { name: 'weather', arguments: JSON.stringify({ city: CITY }) });
          const { call_id } = call as OpenAI.Responses.ResponseFunctionToolCall;
          const result: Item = { type: 'function_call_output', call_id, output: '7 C' };
          const next = await openai.responses.create({
            ...{ model: MODEL, instructions, input: [QUESTION, ...(output as Item[]), result], tools: TOOLS },
          });
          assert.isNotEmpty(next.output_text);
        },
      );
    });

    it('call them while they stream, after some thought', async () => {
      const instructions = systemFor('a function in a stream');
      const thinking = { chat_template_kwargs: { enable_thinking: true } };
      await twoTurns(
        clients,
        async () => {
          const events = openai.responses.stream({
            ...{ model: MODEL, instructions, input: [QUESTION], tools: TOOLS, ...thinking },
            tool_choice: { type: 'function', name: 'weather' },
          });
          let written = '';
          for await (const event of events)
            if (event.type === 'response.function_call_arguments.delta') written += event.delta;
          assert.deepEqual(JSON.parse(written), { city: CITY });
          const { output } = await events.finalResponse();
          assert.deepEqual(
            output.map(({ type }) => type),
            ['reasoning', 'function_call'],
          );
          return output;
        },
        output => {
          const { call_id } = output[1] as OpenAI.Responses.ResponseFunctionToolCall;
          const result: Item = { type: 'function_call_output', call_id, output: '7 C' };
          const input = [QUESTION, ...(output as Item[]), result];
          return openai.responses.stream({ model: MODEL, instructions, input, tools: TOOLS }).finalResponse();
        },
      );
    });

    it('continue one another by id, and are retrieved and cancelled where they were made', async () => {
      const instructions = systemFor('a response that is kept');
      const made = await openai.responses.create({ model: MODEL, instructions, input: [QUESTION] });
      const { pod } = clients.told();
      await clients.fleet.indexed();
      // By chance it would be this one each time in one of 81 runs.
      for (let i = 0; i < 4; i++) {
        const { id, output_text } = await openai.responses.retrieve(made.id);
        assert.deepEqual({ id, output_text }, { id: made.id, output_text: made.output_text });
        assert.deepInclude(clients.told(), { pod, reason: 'response_owner' });
      }
      const { previous_response_id, usage } = await openai.responses.create({
        ...{ model: MODEL, input: [NEXT], previous_response_id: made.id },
      });
      assert.equal(previous_response_id, made.id);
      assert.deepInclude(clients.told(), { pod, reason: 'response_owner' });
      assert.isAbove(usage?.input_tokens_details.cached_tokens ?? 0, made.usage!.input_tokens - 16);

      const cancelled = await openai.responses.cancel(made.id).catch((error: unknown) => error);
      assert.instanceOf(cancelled, BadRequestError);
      assert.include(String(cancelled), 'Cannot cancel a synchronous response.');
      const unknown = await openai.responses.retrieve('resp_unknown').catch((error: unknown) => error);
      assert.instanceOf(unknown, NotFoundError);
    });
  });
}
