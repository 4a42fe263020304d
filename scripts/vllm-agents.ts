/** Requests as agents send them: Claude Code to `/v1/messages`, Codex to `/v1/responses`, others to `/v1/chat/completions`. */

export interface SentRequest {
  readonly what: string;
  readonly path: '/v1/messages' | '/v1/responses' | '/v1/chat/completions' | '/v1/completions';
  /** Without the model. A text is JSON of an object, which JavaScript would write in another way. */
  readonly body: object | string;
}

export interface AgentRequest extends SentRequest {
  readonly body: object;
}

const raw = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

const EPHEMERAL = { type: 'ephemeral' };
const text = (text: string, more: object = {}) => ({ type: 'text', text, ...more });
const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: unknown) => ({ role: 'assistant', content });

// ---- Claude Code -----------------------------------------------------------------------------------------------

const CLAUDE_SYSTEM = [
  text('x-anthropic-billing-header: cc_version=2.1; cch=8f3a1;'),
  text('You are Claude Code, a command line tool for software engineering.', { cache_control: EPHEMERAL }),
  text('\n# Tone\nBe concise, “direct” and to the point – no emojis 🙂.', { cache_control: EPHEMERAL }),
];
const CLAUDE_TOOLS = [
  {
    name: 'Bash',
    description: 'Runs a command in a shell.\nUse absolute paths.',
    input_schema: {
      type: 'object',
      properties: {
        command: { type: 'string', description: 'What to run' },
        timeout: { type: 'number', minimum: raw('0.0'), maximum: 600000, default: raw('1e3') },
      },
      required: ['command'],
      additionalProperties: false,
      $schema: 'http://json-schema.org/draft-07/schema#',
    },
  },
  {
    name: 'Read',
    description: 'Reads a file, «ä ö ü».',
    input_schema: { properties: { file_path: { type: 'string' } }, required: ['file_path'] },
    strict: true,
  },
  { name: 'TodoWrite', input_schema: { type: 'object', properties: {} }, cache_control: EPHEMERAL },
];
const bash = (id: string, input: object) => ({ type: 'tool_use', id, name: 'Bash', input });
const result = (id: string, content?: unknown, more: object = {}) => ({
  ...{ type: 'tool_result', tool_use_id: id },
  ...(content !== undefined && { content }),
  ...more,
});
const thinking = (thinking: string) => ({ type: 'thinking', thinking, signature: 'c2lnbmF0dXJl' });
const QUESTION = user([
  text('<system-reminder>\nAs you answer, mind this.\n</system-reminder>'),
  text('Why does the test fail?', { cache_control: EPHEMERAL }),
]);
const LOOKED = [
  QUESTION,
  assistant([text('I’ll run it.'), bash('toolu_01', { command: 'npm test', timeout: raw('1.0') })]),
  user([result('toolu_01', '2 failing\n  1) adds "numbers"', { is_error: true, cache_control: EPHEMERAL })]),
];

const claude = (what: string, body: object): AgentRequest => ({
  what: `messages: ${what}`,
  path: '/v1/messages',
  body: { max_tokens: 64, ...body },
});
const agent = (what: string, messages: readonly object[], more: object = {}) =>
  claude(what, { system: CLAUDE_SYSTEM, tools: CLAUDE_TOOLS, messages, ...more });

const CLAUDE: readonly AgentRequest[] = [
  claude('a text', { messages: [user('Hello')] }),
  claude('a system text', { system: 'Be brief.', messages: [user('Hello')] }),
  claude('a system text that looks like a billing header', {
    ...{ system: 'x-anthropic-billing-header: kept', messages: [user('Hello')] },
  }),
  claude('a system list', { system: CLAUDE_SYSTEM, messages: [user('Hello')] }),
  claude('an empty system list', { system: [], messages: [user('Hello')] }),
  claude('several texts in a message', { messages: [user([text('a'), text('b'), text('')])] }),
  claude('a text that is empty', { messages: [user([text('')]), user('Hello')] }),
  claude('several turns', { messages: [user('Hi'), assistant('Hello!'), user([text('And now?')])] }),
  claude('an answer begun by the client', { messages: [user('Count'), assistant('One, two,')] }),
  agent('tools', [QUESTION]),
  agent('tools and no messages of text', [user([text('x', { cache_control: EPHEMERAL })])]),
  claude('no tools', { system: CLAUDE_SYSTEM, tools: [], messages: [QUESTION] }),
  agent('tool_choice auto', [QUESTION], { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }),
  agent('tool_choice any', [QUESTION], { tool_choice: { type: 'any' } }),
  agent('tool_choice tool', [QUESTION], { tool_choice: { type: 'tool', name: 'Bash' } }),
  agent('tool_choice none', [QUESTION], { tool_choice: { type: 'none' } }),
  agent('a tool call and its result', LOOKED),
  agent('a result of several texts', [
    ...LOOKED.slice(0, 2),
    user([result('toolu_01', [text('one'), text('two')])]),
  ]),
  agent('a result without content', [...LOOKED.slice(0, 2), user([result('toolu_01')])]),
  agent('a result and the user’s words', [
    ...LOOKED.slice(0, 2),
    user([result('toolu_01', 'ok'), text('Go on.'), text('Please.')]),
  ]),
  agent('the user’s words and then a result', [
    ...LOOKED.slice(0, 2),
    user([text('Here it is:'), result('toolu_01', 'ok')]),
  ]),
  agent('two calls at once', [
    QUESTION,
    assistant([bash('toolu_01', { command: 'ls' }), bash('toolu_02', {})]),
    user([result('toolu_01', 'a.ts'), result('toolu_02', [text('nothing')])]),
  ]),
  agent('a call with numbers, lists and other signs', [
    QUESTION,
    assistant([
      bash('toolu_01', {
        ...{ z: raw('1.50'), a: [raw('1e3'), raw('-0'), true, null], big: raw('12345678901234567890') },
        ...{ 'ключ "x"': 'Ünïcödé \n\t\\ "quoted" 🙂', nested: { b: {}, a: [] } },
      }),
    ]),
    user([result('toolu_01', 'ok')]),
  ]),
  agent('a call without a text', [
    QUESTION,
    assistant([bash('toolu_01', { command: 'ls' })]),
    user([result('toolu_01', 'x')]),
  ]),
  agent(
    'thinking',
    [
      QUESTION,
      assistant([thinking('Let me see.'), text('I’ll run it.'), bash('toolu_01', { command: 'ls' })]),
      user([result('toolu_01', 'a.ts')]),
    ],
    { max_tokens: 1500, thinking: { type: 'enabled', budget_tokens: 1024 } },
  ),
  agent(
    'thinking that interleaves',
    [
      QUESTION,
      assistant([thinking('First.'), bash('toolu_01', { command: 'ls' }), thinking('Second.')]),
      user([result('toolu_01', 'a.ts')]),
      assistant([thinking('Only thoughts.')]),
      user('Well?'),
    ],
    { thinking: { type: 'adaptive' } },
  ),
  agent('thinking that was redacted', [
    QUESTION,
    assistant([{ type: 'redacted_thinking', data: 'ZGF0YQ==' }, text('Done.')]),
    user('Thanks'),
  ]),
  agent('thinking disabled', [QUESTION], { thinking: { type: 'disabled' } }),
  agent('effort', [QUESTION], { output_config: { effort: 'high' } }),
  agent('effort and thinking disabled', [QUESTION], {
    ...{ output_config: { effort: 'max' }, thinking: { type: 'disabled' } },
  }),
  agent('template arguments', [QUESTION], {
    chat_template_kwargs: { enable_thinking: false, style: 'terse' },
  }),
  agent('template arguments and effort', [QUESTION], {
    ...{ chat_template_kwargs: { enable_thinking: false }, output_config: { effort: 'low' } },
  }),
  agent('reminders of the system between messages', [
    QUESTION,
    { role: 'system', content: [text('x-anthropic-billing-header: a=1'), text('The file has changed.')] },
    assistant('I see.'),
    { role: 'system', content: 'x-anthropic-billing-header: b=2' },
    user('Go on'),
  ]),
  agent('tools added and removed on the way', [
    QUESTION,
    {
      role: 'system',
      content: [
        { type: 'tool_addition', tool: { type: 'tool_definition', definition: CLAUDE_TOOLS[1] } },
        { type: 'tool_removal', tool: { type: 'tool_reference', name: 'TodoWrite' } },
      ],
    },
    user('Go on'),
  ]),
  agent('a reference to a tool in a result', [
    ...LOOKED.slice(0, 2),
    user([result('toolu_01', [text('Found'), { type: 'tool_reference', tool_name: 'Read' }])]),
  ]),
  agent('a salt, a stop and sampling', LOOKED, {
    ...{
      cache_salt: 'tenant',
      stop_sequences: ['\n\n'],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      stream: true,
    },
    ...{ metadata: { user_id: 'user_1_session_2' } },
  }),
];

// ---- Codex -----------------------------------------------------------------------------------------------------

const CODEX_TOOLS = [
  {
    type: 'function',
    name: 'shell',
    description: 'Runs a shell command and returns its output.',
    strict: false,
    parameters: {
      type: 'object',
      properties: {
        command: { type: 'array', items: { type: 'string' } },
        timeout_ms: { type: 'number', minimum: raw('1.0') },
      },
      required: ['command'],
      additionalProperties: false,
    },
  },
  { type: 'function', name: 'update_plan', strict: null, parameters: { type: 'object', properties: {} } },
];
const CUSTOM = { type: 'custom', name: 'apply_patch', description: 'Use this to edit files.' };
const NAMESPACE = {
  ...{ type: 'namespace', name: 'mcp_docs', description: 'Documentation' },
  tools: [
    {
      type: 'function',
      name: 'search',
      description: 'Finds pages',
      parameters: { type: 'object' },
      strict: true,
    },
  ],
};
const INSTRUCTIONS = 'You are a coding agent running in the Codex CLI.\nBe “precise”, safe, and helpful.';
const said = (role: string, ...texts: readonly string[]) => ({
  ...{ type: 'message', role },
  content: texts.map(text => ({ type: role === 'assistant' ? 'output_text' : 'input_text', text })),
});
const call = (id: string, args: object, more: object = {}) => ({
  ...{ type: 'function_call', call_id: id, name: 'shell', arguments: JSON.stringify(args) },
  ...more,
});
const output = (id: string, output: unknown) => ({ type: 'function_call_output', call_id: id, output });
const reasoning = (more: object) => ({ type: 'reasoning', summary: [], ...more });
const thought = (text: string) => reasoning({ content: [{ type: 'reasoning_text', text }] });
const ASKED = [
  said('developer', '<permissions>read-only</permissions>'),
  said('user', '<environment_context>\n  <cwd>/src</cwd>\n</environment_context>', 'Fix the bug.'),
];

const responses = (what: string, body: object): AgentRequest => ({
  what: `responses: ${what}`,
  path: '/v1/responses',
  body: { max_output_tokens: 64, ...body },
});
const codex = (what: string, input: readonly object[], more: object = {}) =>
  responses(what, {
    ...{ instructions: INSTRUCTIONS, tools: CODEX_TOOLS, tool_choice: 'auto', parallel_tool_calls: false },
    ...{ store: false, stream: true, include: [], prompt_cache_key: 'session' },
    ...{ input, ...more },
  });

const CODEX: readonly AgentRequest[] = [
  responses('a text', { input: 'Hello' }),
  responses('a text and instructions', { input: 'Hello', instructions: INSTRUCTIONS }),
  responses('empty instructions', { input: 'Hello', instructions: '' }),
  responses('messages without a type', { input: [user('Hi'), assistant('Hello'), user('And?')] }),
  responses('content of several parts', { input: [said('user', 'one', 'two')] }),
  codex('tools', ASKED),
  codex('no function among the tools', ASKED, { tools: [{ type: 'web_search' }] }),
  codex('an engine’s own tool beside functions', ASKED, { tools: [...CODEX_TOOLS, { type: 'web_search' }] }),
  codex('a custom tool', ASKED, { tools: [...CODEX_TOOLS, CUSTOM] }),
  codex('tools in a namespace', ASKED, { tools: [NAMESPACE, ...CODEX_TOOLS] }),
  codex('tool_choice none', ASKED, { tool_choice: 'none' }),
  codex('tool_choice required', ASKED, { tool_choice: 'required' }),
  codex('tool_choice of a function', ASKED, { tool_choice: { type: 'function', name: 'shell' } }),
  codex('a call and its output', [...ASKED, call('call_1', { command: ['ls'] }), output('call_1', 'a.ts')]),
  codex('a call with numbers and other signs', [
    ...ASKED,
    {
      ...{ type: 'function_call', call_id: 'call_1', name: 'shell', id: 'fc_1', status: 'completed' },
      arguments: '{"timeout_ms": 1.0, "z": 1e3, "a": "Ünï \\"x\\"", "big": 12345678901234567890}',
    },
    output('call_1', '{"output":"ä","metadata":{"exit_code":0,"duration_seconds":0.0}}'),
  ]),
  codex('arguments that are not JSON', [
    ...ASKED,
    call('call_1', {}, { arguments: '{oops' }),
    output('call_1', ''),
  ]),
  codex('an output of parts', [
    ...ASKED,
    call('call_1', { command: ['ls'] }),
    output('call_1', [
      { type: 'input_text', text: 'one' },
      { type: 'input_text', text: 'two' },
    ]),
  ]),
  codex('two calls in a row', [
    ...ASKED,
    call('call_1', { command: ['ls'] }),
    call('call_2', { command: ['pwd'] }),
    output('call_1', 'a'),
    output('call_2', 'b'),
  ]),
  codex('a text and then a call', [
    ...ASKED,
    said('assistant', 'I’ll look.'),
    call('call_1', { command: ['ls'] }),
    output('call_1', 'a'),
    said('assistant', 'Done.'),
    said('user', 'Thanks'),
  ]),
  codex('reasoning, a call and its output', [
    ...ASKED,
    thought('I should look.'),
    call('call_1', { command: ['ls'] }),
    output('call_1', 'a'),
    thought('That is it.'),
    said('assistant', 'It is a.'),
    said('user', 'Fix it'),
  ]),
  codex('reasoning by its summary', [
    ...ASKED,
    reasoning({
      summary: [{ type: 'summary_text', text: '**Looking**' }],
      id: 'rs_1',
      encrypted_content: null,
    }),
    call('call_1', { command: ['ls'] }),
    output('call_1', 'a'),
  ]),
  codex('reasoning without a text', [
    ...ASKED,
    reasoning({ content: null }),
    said('assistant', 'Yes.'),
    said('user', 'x'),
  ]),
  codex('reasoning twice in a row', [
    ...ASKED,
    thought('One.'),
    thought('Two.'),
    said('assistant', 'Yes.'),
    said('user', 'x'),
  ]),
  codex('two texts in a row', [
    ...ASKED,
    said('assistant', 'One.'),
    said('assistant', 'Two.'),
    said('user', 'x'),
  ]),
  codex('an assistant’s message of two parts', [
    ...ASKED,
    said('assistant', 'One.', 'Two.'),
    said('user', 'x'),
  ]),
  codex('a custom tool’s call', [
    ...ASKED,
    { type: 'custom_tool_call', call_id: 'call_1', name: 'apply_patch', input: '*** Begin Patch\n+ "ä"' },
    { type: 'custom_tool_call_output', call_id: 'call_1', output: 'Done' },
  ]),
  codex('a call in a namespace', [
    ...ASKED,
    call('call_1', { q: 'x' }, { name: 'search', namespace: 'mcp_docs' }),
    output('call_1', 'a'),
  ]),
  codex('effort', ASKED, { reasoning: { effort: 'high', summary: 'auto' } }),
  codex('no effort', ASKED, { reasoning: { effort: 'none' } }),
  codex('reasoning without effort', ASKED, { reasoning: { summary: 'auto' } }),
  codex('template arguments', ASKED, {
    ...{ reasoning: { effort: 'low' }, chat_template_kwargs: { enable_thinking: false, style: 'terse' } },
  }),
  codex('a message to go on with', [
    ...ASKED,
    { ...said('assistant', 'The bug is in'), id: 'msg_1', status: 'incomplete' },
  ]),
  codex('a text format', ASKED, { text: { verbosity: 'low' } }),
];

// ---- others ----------------------------------------------------------------------------------------------------

const CHAT_TOOLS = CODEX_TOOLS.map(({ type, ...tool }) => ({ type, function: tool }));
const chat = (what: string, messages: readonly object[], more: object = {}): AgentRequest => ({
  what: `chat: ${what}`,
  path: '/v1/chat/completions',
  body: { messages, max_tokens: 64, ...more },
});
const CALLED = {
  ...{ role: 'assistant', content: null },
  tool_calls: [
    {
      id: 'call_1',
      type: 'function',
      function: { name: 'shell', arguments: '{"timeout_ms": 1.0, "b": [1e3]}' },
    },
  ],
};

const CHATS: readonly AgentRequest[] = [
  chat('tools', [user('Hi')], { tools: CHAT_TOOLS }),
  chat('tool_choice', [user('Hi')], { tools: CHAT_TOOLS, tool_choice: 'required' }),
  chat(
    'a call and its result',
    [user('Hi'), CALLED, { role: 'tool', tool_call_id: 'call_1', content: 'a' }],
    {
      tools: CHAT_TOOLS,
    },
  ),
  chat('a result of parts', [
    ...[user('Hi'), CALLED],
    { role: 'tool', tool_call_id: 'call_1', content: [text('one'), text('two')] },
  ]),
  chat('reasoning', [user('Hi'), { ...assistant('Hello'), reasoning: 'Polite.' }, user('And?')]),
  chat('reasoning by its older name', [
    ...[user('Hi'), { ...assistant('Hello'), reasoning_content: 'Polite.' }, user('And?')],
  ]),
  chat('reasoning by both names', [
    ...[user('Hi'), { ...assistant('Hello'), reasoning: 'A', reasoning_content: 'B' }, user('And?')],
  ]),
  chat('effort', [user('Hi')], { reasoning_effort: 'low' }),
  chat('no effort', [user('Hi')], { reasoning_effort: 'none' }),
  chat('effort and template arguments', [user('Hi')], {
    ...{ reasoning_effort: 'high', chat_template_kwargs: { enable_thinking: false, style: 'terse' } },
  }),
  chat('documents', [user('Hi')], { documents: [{ title: 'ä', text: 'b' }] }),
  chat('a message to go on with', [user('Hi'), assistant('Hello and')], {
    ...{ add_generation_prompt: false, continue_final_message: true },
  }),
  chat('names, developers and numbers', [
    ...[
      { role: 'developer', content: 'd' },
      { role: 'user', name: 'ann', content: [text('1'), text('2')] },
    ],
  ]),
  { what: 'completions: a text', path: '/v1/completions', body: { prompt: 'Once upon', max_tokens: 8 } },
  {
    what: 'completions: without special tokens',
    path: '/v1/completions',
    body: { prompt: ['Once upon', 'a time'], add_special_tokens: false, max_tokens: 8 },
  },
];

export const AGENT_REQUESTS: readonly AgentRequest[] = [...CLAUDE, ...CODEX, ...CHATS];
