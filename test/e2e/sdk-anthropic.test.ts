import type Anthropic from '@anthropic-ai/sdk';
import { assert } from 'chai';
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

const BASE = { model: MODEL, max_tokens: 200 };
const TOOLS: Anthropic.Tool[] = [{ name: 'weather', description: 'Now', input_schema: CITY_SCHEMA }];
const QUESTION: Anthropic.MessageParam = { role: 'user', content: 'Where is the atlas?' };
const NEXT: Anthropic.MessageParam = {
  role: 'user',
  content: [{ type: 'text', text: 'And the cookbook?', cache_control: { type: 'ephemeral' } }],
};

/** As agents send it: a list, with marks for Anthropic's own cache. */
function systemList(conversation: string): Anthropic.TextBlockParam[] {
  return [
    { type: 'text', text: 'You are a librarian. ' },
    { type: 'text', text: systemFor(conversation), cache_control: { type: 'ephemeral' } },
  ];
}

function afterTool(content: Anthropic.ContentBlock[]): Anthropic.MessageParam[] {
  const call = content.find(({ type }) => type === 'tool_use') as Anthropic.ToolUseBlock;
  assert.deepInclude(call, { name: 'weather', input: { city: CITY } });
  return [
    QUESTION,
    { role: 'assistant', content },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: call.id, content: [{ type: 'text', text: '7 C' }] },
        { type: 'text', text: 'So?' },
      ],
    },
  ];
}

for (const setting of SDK_SETTINGS) {
  describe(`The official @anthropic-ai/sdk client (${setting.file}, render ${setting.render})`, function () {
    this.timeout(20_000);
    let clients: SdkClients;
    let anthropic: Anthropic;

    before(async function () {
      await envoyReady.call(this);
      clients = await startSdkClients(setting);
      anthropic = clients.anthropic;
    });
    after(() => clients?.stop());

    it('has a conversation of two turns', async () => {
      const system = systemList('plain messages');
      await twoTurns(
        clients,
        () => anthropic.messages.create({ ...BASE, system, messages: [QUESTION] }),
        async ({ content, stop_reason, usage, type }) => {
          assert.deepEqual([type, stop_reason], ['message', 'end_turn']);
          assert.deepEqual(
            content.map(block => block.type),
            ['text'],
          );
          assert.equal(usage.cache_read_input_tokens, 0);
          const messages = [QUESTION, { role: 'assistant' as const, content }, NEXT];
          const next = await anthropic.messages.create({ ...BASE, system, messages });
          assert.isAtLeast(next.usage.cache_read_input_tokens ?? 0, usage.cache_creation_input_tokens ?? 0);
        },
      );
    });

    it('has one streamed', async () => {
      const system = systemFor('streamed messages');
      const stream = async (messages: Anthropic.MessageParam[]) => {
        const events = anthropic.messages.stream({ ...BASE, system, messages });
        let text = '';
        events.on('text', delta => {
          text += delta;
        });
        assert.equal(await events.finalText(), text);
        const { content, stop_reason, usage } = await events.finalMessage();
        assert.equal(stop_reason, 'end_turn');
        assert.isAbove(usage.output_tokens, 10);
        return content;
      };
      await twoTurns(
        clients,
        () => stream([QUESTION]),
        content => stream([QUESTION, { role: 'assistant', content }, NEXT]),
      );
    });

    it('uses a tool and gives back its result', async () => {
      const common = { ...BASE, system: systemList('a tool'), tools: TOOLS };
      await twoTurns(
        clients,
        () => anthropic.messages.create({ ...common, messages: [QUESTION], tool_choice: { type: 'any' } }),
        async ({ content, stop_reason }) => {
          assert.equal(stop_reason, 'tool_use');
          const next = await anthropic.messages.create({ ...common, messages: afterTool(content) });
          assert.equal(next.stop_reason, 'end_turn');
        },
      );
    });

    it('uses one while it streams, after some thought', async () => {
      const common = {
        ...{ ...BASE, max_tokens: 2_000, system: systemList('a tool in a stream'), tools: TOOLS },
        thinking: { type: 'enabled', budget_tokens: 1_024 } as const,
      };
      await twoTurns(
        clients,
        async () => {
          const events = anthropic.messages.stream({
            ...{ ...common, messages: [QUESTION], tool_choice: { type: 'tool', name: 'weather' } },
          });
          let thought = '';
          let written = '';
          events.on('thinking', delta => {
            thought += delta;
          });
          events.on('inputJson', delta => {
            written += delta;
          });
          const { content } = await events.finalMessage();
          assert.deepEqual(
            content.map(({ type }) => type),
            ['thinking', 'tool_use'],
          );
          assert.deepInclude(content[0], { thinking: thought });
          assert.deepEqual(JSON.parse(written), { city: CITY });
          return content;
        },
        content => anthropic.messages.stream({ ...common, messages: afterTool(content) }).finalMessage(),
      );
    });

    it('counts the tokens that a message would have', async () => {
      const asked = { model: MODEL, system: systemList('a count'), messages: [QUESTION], tools: TOOLS };
      const { input_tokens } = await anthropic.messages.countTokens(asked);
      assert.equal(clients.told().reason, 'no_prompt');
      const { usage } = await anthropic.messages.create({ ...BASE, ...asked });
      assert.equal(input_tokens, usage.input_tokens + (usage.cache_creation_input_tokens ?? 0));
    });

    it('lists the models', async () => {
      const ids: string[] = [];
      for await (const { id } of anthropic.models.list()) ids.push(id);
      assert.deepEqual(ids, [MODEL]);
      assert.deepInclude(await anthropic.models.retrieve(MODEL), { id: MODEL, type: 'model' });
    });
  });
}
