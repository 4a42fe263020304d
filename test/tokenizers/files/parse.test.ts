import { assert } from 'chai';
import { type ParsedFiles, parseFiles } from '../../../src/tokenizers/files/parse.ts';
import { describeChat } from '../../../src/tokenizers/files/problem.ts';

interface Given {
  readonly config?: object;
  readonly texts?: Record<string, string>;
  readonly model?: object;
  readonly mistral?: boolean;
  readonly more?: boolean;
}

function parsed({ config = {}, texts = {}, model, mistral = false, more = false }: Given) {
  const files: ParsedFiles = parseFiles({
    texts: {
      'tokenizer_config.json': JSON.stringify(config),
      ...(model && { 'config.json': JSON.stringify(model) }),
      ...texts,
    },
    hasMistralFile: mistral,
    hasMoreTemplates: more,
  });
  assert(files.kind === 'parsed', JSON.stringify(files));
  return files;
}
const chatOf = (given: Given) => parsed(given).chat;
const tokensOf = (config: object, map?: object) =>
  parsed({ config, ...(map && { texts: { 'special_tokens_map.json': JSON.stringify(map) } }) }).specialTokens;
const template = (text: string, toolUse?: string) => ({ kind: 'template', default: text, toolUse }) as const;

describe('What tokenizer files say of chats', () => {
  it('is a template, wherever it is', () => {
    assert.deepEqual(chatOf({ config: { chat_template: 'a\r\nb' } }), template('a\r\nb'));
    assert.deepEqual(chatOf({ texts: { 'chat_template.jinja': 'a\r\nb\r' } }), template('a\nb\n'));
    const named = [
      { name: 'default', template: 'a' },
      { name: 'tool_use', template: 'b' },
      { name: 'rag', template: 'c' },
    ];
    assert.deepEqual(chatOf({ config: { chat_template: named } }), template('a', 'b'));
    assert.deepEqual(chatOf({ config: { chat_template: { default: 'a', tool_use: 'a' } } }), template('a'));
  });

  it('is that of files before that of the configuration', () => {
    const config = { chat_template: 'old' };
    const tool = { 'additional_chat_templates/tool_use.jinja': 'tool' };
    assert.deepEqual(chatOf({ config, texts: { 'chat_template.jinja': 'new' } }), template('new'));
    const both = { 'chat_template.jinja': 'new', ...tool };
    assert.deepEqual(chatOf({ config, texts: both, more: true }), template('new', 'tool'));
    // There is no default then: vLLM refuses chats without tools.
    assert.deepEqual(chatOf({ config, texts: tool, more: true }), { kind: 'none' });
    assert.deepEqual(chatOf({ config, more: true }), { kind: 'none' });
    const named = { 'additional_chat_templates/default.jinja': 'named' };
    assert.deepEqual(
      chatOf({ texts: { 'chat_template.jinja': 'x', ...named }, more: true }),
      template('named'),
    );
  });

  it('is that of the processor, but with tools', () => {
    const texts = { 'chat_template.json': '{"chat_template":"processor"}' };
    assert.deepEqual(chatOf({ texts }), template('processor'));
    assert.deepEqual(chatOf({ texts, config: { chat_template: 'own' } }), template('processor', 'own'));
  });

  it('is nothing without one', () => {
    for (const config of [{}, { chat_template: null }])
      assert.deepEqual(chatOf({ config }), { kind: 'none' });
    assert.match(describeChat({ kind: 'none' })!, /no chat template/);
    assert.isUndefined(describeChat(template('a')));
  });

  for (const [model, renderer] of [
    [{ model_type: 'gpt_oss', architectures: ['GptOssForCausalLM'] }, 'harmony'],
    [{ architectures: ['DeepseekV32ForCausalLM'] }, 'deepseek_v32'],
    [{ architectures: ['DeepseekV41ForCausalLM'] }, 'deepseek_v4'],
    [{ architectures: ['KimiK3ForConditionalGeneration'] }, 'kimi_k3'],
    [{ architectures: ['InklingForCausalLM'] }, 'inkling'],
    [{ architectures: ['MoonshotKimiaForCausalLM'] }, 'kimi_audio'],
  ] as const) {
    it(`is only the engine’s to say of ${JSON.stringify(model)}`, () => {
      const chat = chatOf({ model, config: { chat_template: 'a' } });
      assert.deepEqual(chat, { kind: 'own_code', renderer });
      assert.match(describeChat(chat)!, /and not by a template: chats are not tokenized here$/);
    });
  }

  it('is only the engine’s to say where Mistral’s tokenizer is, and of no other models', () => {
    assert.deepEqual(chatOf({ mistral: true, config: { chat_template: 'a' } }), {
      ...{ kind: 'own_code', renderer: 'mistral' },
    });
    for (const model of [
      { model_type: 'deepseek_v3', architectures: ['DeepseekV3ForCausalLM'] },
      { architectures: ['constructor', 1, null] },
      { architectures: 'DeepseekV32ForCausalLM' },
    ])
      assert.deepEqual(chatOf({ model, config: { chat_template: 'a' } }), template('a'));
  });
});

describe('The special tokens that chat templates see', () => {
  const added = (content: string) => ({ __type: 'AddedToken', content });

  it('are texts, or objects with one', () => {
    const config = { bos_token: '<s>', eos_token: added('</s>'), pad_token: null, add_bos_token: true };
    assert.deepEqual(tokensOf({ ...config, name: 'x' }), { bos_token: '<s>', eos_token: '</s>' });
  });

  it('are those of the model as well, but not those without a name', () => {
    const config = {
      image_token: '<image>',
      additional_special_tokens: ['<a>'],
      extra_special_tokens: {
        audio_token: added('<audio>'),
        constructor: '<c>',
        no: 1,
      },
      model_specific_special_tokens: { video_token: '<video>' },
    };
    const tokens = tokensOf(config);
    assert.deepEqual(Object.entries(tokens).sort(), [
      ['audio_token', '<audio>'],
      ['constructor', '<c>'],
      ['image_token', '<image>'],
      ['video_token', '<video>'],
    ]);
    assert.deepEqual(tokensOf({ extra_special_tokens: ['<a>'] }), {});
    const text = '{"extra_special_tokens":{"__proto__":"<p>"}}';
    const files = parseFiles({
      texts: { 'tokenizer_config.json': text },
      ...{ hasMistralFile: false, hasMoreTemplates: false },
    });
    assert(files.kind === 'parsed');
    assert.isTrue(Object.hasOwn(files.specialTokens, '__proto__'), 'a name as any other');
    assert.strictEqual(Object.getPrototypeOf(files.specialTokens), Object.prototype);
  });

  it('are those of special_tokens_map.json, where the configuration does not list the added tokens', () => {
    const map = { bos_token: '<b>', eos_token: { content: '<e>' } };
    assert.deepEqual(tokensOf({ bos_token: '<s>' }, map), { bos_token: '<b>', eos_token: '<e>' });
    assert.deepEqual(tokensOf({ bos_token: '<s>', added_tokens_decoder: {} }, map), { bos_token: '<s>' });
  });
});
