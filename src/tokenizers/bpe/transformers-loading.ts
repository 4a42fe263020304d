/**
 * What transformers 5, which vLLM loads tokenizers with, makes of a `tokenizer.json`: some classes take only its vocabulary and
 * merges and have steps of their own, and `tokenizer_config.json` has more to say on added tokens. Followed where it is known
 * (transformers 5.19: models/…/tokenization_….py, tokenization_utils_tokenizers.py, models/auto/tokenization_auto.py), refused
 * where it is not.
 */
import { fieldOf, type JsonRecord, parseRecord } from './json-values.ts';
import { UnsupportedTokenizer } from './refusals.ts';
import type { ModelShape, NormalizerShape, PreTokenizerShape, TokenizerShape } from './shape.ts';
import { configuredTokens, type NamedTokens } from './transformers-tokens.ts';

/** Contents of the files beside tokenizer.json. */
export interface ConfigFiles {
  readonly tokenizerConfig: string | undefined;
  /** config.json, of which `model_type` counts. */
  readonly modelConfig: string | undefined;
}

/** The shape as transformers has it. Throws UnsupportedTokenizer or InvalidTokenizer. */
export function asTransformersLoads(shape: TokenizerShape, files: ConfigFiles): TokenizerShape {
  if (files.tokenizerConfig === undefined) return shape;
  const config = parseRecord(files.tokenizerConfig, 'tokenizer_config.json');
  const modelType =
    files.modelConfig === undefined
      ? undefined
      : fieldOf(parseRecord(files.modelConfig, 'config.json'), 'model_type');
  for (const field of ['split_special_tokens', 'fix_mistral_regex']) {
    if (fieldOf(config, field)) throw new UnsupportedTokenizer(`${field} in tokenizer_config.json`);
  }
  const name = className(config, modelType);
  const rebuild = name === undefined ? undefined : REBUILT.get(name);
  if (rebuild === undefined) {
    return { ...shape, addedTokens: configuredTokens(shape, config, { keepsFile: true, named: {} }) };
  }
  const { named, readds, ...steps } = rebuild(config, shape.model);
  const rebuilt = { ...shape, ...steps };
  if (modelType === undefined && stepsOf(rebuilt) !== stepsOf(shape)) {
    throw new UnsupportedTokenizer(
      `transformers' ${name} takes other steps than tokenizer.json has, depending on the model_type in config.json, which is not there`,
    );
  }
  return { ...rebuilt, addedTokens: configuredTokens(shape, config, { keepsFile: false, named, readds }) };
}

/** undefined: of the file nothing is left out. */
function className(config: JsonRecord, modelType: unknown): string | undefined {
  if (typeof modelType === 'string' && AS_FILE_TYPES.has(modelType)) return undefined;
  if (fieldOf(config, 'auto_map') !== undefined) {
    throw new UnsupportedTokenizer('auto_map in tokenizer_config.json: the tokenizer is code of its own');
  }
  const named = fieldOf(config, 'tokenizer_class');
  if (typeof named !== 'string') return undefined;
  const name = named.replace(/Fast$/, '');
  if (UNFOLLOWED.has(name)) throw new UnsupportedTokenizer(`transformers' class ${name}`);
  return name;
}

function stepsOf({ normalizers, preTokenizers, model }: TokenizerShape): string {
  const { unknown, fuseUnknown, byteFallback, ignoreMerges } = model;
  return JSON.stringify([normalizers, preTokenizers, unknown, fuseUnknown, byteFallback, ignoreMerges]);
}

interface Rebuilt {
  readonly normalizers: readonly NormalizerShape[];
  readonly preTokenizers: readonly PreTokenizerShape[];
  readonly model: ModelShape;
  /** Special tokens that the class has unless the configuration says otherwise. */
  readonly named: NamedTokens;
  /** Special tokens become added tokens without flags in the end. */
  readonly readds: boolean;
}

const NFC: NormalizerShape = { kind: 'form', form: 'NFC' };

/** By class, without `Fast` at its end. */
const REBUILT: ReadonlyMap<string, (config: JsonRecord, model: ModelShape) => Rebuilt> = new Map([
  ['Qwen2Tokenizer', qwen2],
  ['LlamaTokenizer', llama],
  ['GemmaTokenizer', gemma],
  ['CohereTokenizer', cohere],
]);

const PLAIN = { unknown: undefined, fuseUnknown: false, byteFallback: false, ignoreMerges: false } as const;

const QWEN2_PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

function qwen2(config: JsonRecord, model: ModelShape): Rebuilt {
  const addPrefixSpace = fieldOf(config, 'add_prefix_space') === true;
  return {
    normalizers: [NFC],
    preTokenizers: [
      {
        kind: 'split',
        pattern: { kind: 'regex', regex: QWEN2_PATTERN },
        behavior: 'Isolated',
        invert: false,
      },
      { kind: 'byte_level', addPrefixSpace, useRegex: false },
    ],
    model: { ...model, ...PLAIN },
    named: { eos_token: '<|endoftext|>', unk_token: '<|endoftext|>', pad_token: '<|endoftext|>' },
    readds: true,
  };
}

function llama(config: JsonRecord, model: ModelShape): Rebuilt {
  const isPrefixed = fieldOf(config, 'add_prefix_space') !== false;
  const prepend = !isPrefixed ? 'never' : fieldOf(config, 'legacy') ? 'always' : 'first';
  return {
    normalizers: [],
    preTokenizers: [{ kind: 'metaspace', replacement: '▁', prepend, split: false }],
    model: { ...model, ...PLAIN, fuseUnknown: true, byteFallback: true },
    named: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' },
    readds: false,
  };
}

function gemma(config: JsonRecord, model: ModelShape): Rebuilt {
  const unknown = fieldOf(config, 'unk_token');
  return {
    normalizers: [{ kind: 'replace', pattern: { kind: 'text', text: ' ' }, content: '▁' }],
    preTokenizers: [
      {
        kind: 'split',
        pattern: { kind: 'text', text: ' ' },
        behavior: 'MergedWithPrevious',
        invert: false,
      },
    ],
    model: {
      ...model,
      unknown: typeof unknown === 'string' ? unknown : '<unk>',
      fuseUnknown: true,
      byteFallback: true,
      ignoreMerges: false,
    },
    named: {
      bos_token: '<bos>',
      eos_token: '<eos>',
      unk_token: '<unk>',
      pad_token: '<pad>',
      mask_token: '<mask>',
    },
    readds: false,
  };
}

function cohere(config: JsonRecord, model: ModelShape): Rebuilt {
  const addPrefixSpace = fieldOf(config, 'add_prefix_space') === true;
  return {
    normalizers: [NFC],
    preTokenizers: [
      { kind: 'digits', individual: true },
      { kind: 'byte_level', addPrefixSpace, useRegex: true },
    ],
    model: { ...model, ...PLAIN },
    named: {
      bos_token: '<BOS_TOKEN>',
      eos_token: '<|END_OF_TURN_TOKEN|>',
      unk_token: '<UNK>',
      sep_token: '<SEP>',
      pad_token: '<PAD>',
      cls_token: '<CLS>',
      mask_token: '<MASK_TOKEN>',
    },
    readds: true,
  };
}

/** Classes of transformers that have steps of their own, too. */
const UNFOLLOWED: ReadonlySet<string> = new Set(
  `Albert Bart Barthez Bert BigBird Blenderbot Camembert CLIP CodeGen CodeLlama DPRQuestionEncoder Deberta DebertaV2
  DistilBert Electra Esmc Funnel GPT2 GPTNeoX GPTSw3 Herbert Lasr LayoutLMv2 LayoutLMv3 LayoutXLM LED Longformer Luke
  Lxmert MBart MBart50 MLuke MobileBert MPNet MVP Nllb Nougat OpenAIGPT Pegasus Qwen3_5 Reformer RemBert Roberta RoFormer
  SeamlessM4T Siglip2 Splinter SqueezeBert T5 TIPSv2 Udop VideoPrism Whisper XGLM XLMRoberta XLNet`
    .split(/\s+/)
    .map(name => `${name}Tokenizer`),
);

/** Values of `model_type` for which transformers takes the file as it is, whatever class the configuration names. */
const AS_FILE_TYPES: ReadonlySet<string> = new Set(
  `arctic aria canary chameleon chatlm cohere_asr deepseek_ocr deepseek_ocr2 deepseek_v2 deepseek_v3 deepseek_v32
  deepseek_v4 deepseek_vl deepseek_vl_hybrid deepseek_vl_v2 ernie4_5 ernie4_5_moe flex_olmo fuyu glm glm4 glm4_moe
  glm4_moe_lite glm4v glm4v_moe glm_image glmasr got_ocr2 gpt_bigcode granite granitemoe granitemoehybrid
  granitemoeshared h2ovl_chat hyperclovax hyperclovax_vlm internlm2 jamba janus kimi_k25 kimi_linear llava llava_next
  mimo_v2_flash minicpm3 minicpmv minicpmv4_6 minicpmv4_7 minimax_m2 ministral ministral3 mistral mistral3 mixtral
  modernbert modernbert-decoder molmo molmo2 nemotron nvfp4 olmo2 olmo3 olmo_hybrid opencua openvla paddleocr_vl
  persimmon phi3 phi3_v phimoe pix2struct pixtral smolvlm stablelm step3_vl step3p5 step3p7 vipllava voxtral
  voxtral_realtime`.split(/\s+/),
);
