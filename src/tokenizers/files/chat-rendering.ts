/** How vLLM 0.32 renders chats of a model, by its files (`renderers/hf.py`, `config/model.py`; `processing_utils.py` of transformers). */
import { type FileTexts, InvalidFile, isMap, type JsonMap } from './file-texts.ts';
import {
  CHAT_TEMPLATE,
  type ChatRendering,
  MORE_TEMPLATES,
  type OwnRenderer,
  PROCESSOR_TEMPLATE,
  TOKENIZER_CONFIG,
} from './tokenizer-files.ts';

export interface ChatFiles extends FileTexts {
  readonly tokenizerConfig: JsonMap;
  readonly modelConfig: JsonMap;
  readonly processorTemplate: JsonMap | undefined;
}

export function chatRendering(files: ChatFiles): ChatRendering {
  const templates = templatesIn(files);
  const renderer = ownRenderer(files);
  if (renderer !== undefined) return { kind: 'own_code', renderer };
  const processor = processorTemplateIn(files);
  const plain = processor ?? templates.get('default');
  if (plain === undefined) return { kind: 'none' };
  const withTools = templates.get('tool_use') ?? templates.get('default');
  return { kind: 'template', default: plain, toolUse: withTools === plain ? undefined : withTools };
}

/** Of the tokenizer, by their names. Files go before what its configuration says. */
function templatesIn({ texts, hasMoreTemplates, tokenizerConfig }: ChatFiles): ReadonlyMap<string, string> {
  const templates = new Map<string, string>();
  const own = texts[CHAT_TEMPLATE];
  if (own !== undefined) templates.set('default', asLines(own));
  for (const name of ['default', 'tool_use']) {
    const text = texts[`${MORE_TEMPLATES}/${name}.jinja`];
    if (text !== undefined) templates.set(name, asLines(text));
  }
  return templates.size > 0 || hasMoreTemplates ? templates : inConfig(tokenizerConfig.chat_template);
}

function inConfig(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined || value === null) return new Map();
  if (typeof value === 'string') return new Map([['default', value]]);
  const named = Array.isArray(value) ? value.map(entryOf) : isMap(value) ? Object.entries(value) : [];
  if (named.length === 0) throw new InvalidFile(TOKENIZER_CONFIG, NO_TEMPLATE);
  return new Map(
    named.map(([name, text]) => {
      if (typeof name !== 'string' || typeof text !== 'string')
        throw new InvalidFile(TOKENIZER_CONFIG, NO_TEMPLATE);
      return [name, text];
    }),
  );
}

const NO_TEMPLATE = 'has a chat_template that is neither a text nor a list of named texts';

function entryOf(each: unknown): readonly [unknown, unknown] {
  return isMap(each) ? [each.name, each.template] : [undefined, undefined];
}

function processorTemplateIn({ processorTemplate }: ChatFiles): string | undefined {
  if (processorTemplate === undefined) return undefined;
  const text = processorTemplate.chat_template;
  if (typeof text !== 'string') throw new InvalidFile(PROCESSOR_TEMPLATE, 'has no text as chat_template');
  return text;
}

/** Python reads all ends of lines as one. */
function asLines(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** By the model's architecture, which vLLM goes by. */
const BY_ARCHITECTURE: Readonly<Record<string, OwnRenderer>> = {
  DeepseekV32ForCausalLM: 'deepseek_v32',
  DeepseekV4ForCausalLM: 'deepseek_v4',
  DeepseekV4ForConditionalGeneration: 'deepseek_v4',
  DeepseekV41ForCausalLM: 'deepseek_v4',
  KimiK3ForConditionalGeneration: 'kimi_k3',
  MoonshotKimiaForCausalLM: 'kimi_audio',
  InklingForCausalLM: 'inkling',
  InklingForConditionalGeneration: 'inkling',
};

function ownRenderer({ modelConfig, hasMistralFile }: ChatFiles): OwnRenderer | undefined {
  const { model_type: type, architectures } = modelConfig;
  if (type === 'gpt_oss') return 'harmony';
  for (const name of Array.isArray(architectures) ? architectures : []) {
    if (typeof name === 'string' && Object.hasOwn(BY_ARCHITECTURE, name)) return BY_ARCHITECTURE[name];
  }
  // vLLM asks for the weights in Mistral's format as well, which need not be where tokenizer files are.
  return hasMistralFile ? 'mistral' : undefined;
}
