/**
 * The texts of `tokens-cold` by our tokenizer and by libraries, and a conversation of 31,000 tokens with tools by our template and a
 * library's; what comes out must be the same. Prints one line of JSON, times in milliseconds.
 *
 *   node bench/tokens/libraries.ts --tokenizer DIR --libraries NODE_MODULES
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compileBoundedTemplate, startTokenizer } from '../../src/composition/loading-tokenizers.ts';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { percentile } from '../support/stats.ts';
import { coldBodies, SIZES, type Size } from './cold-bodies.ts';
import { Conversation } from './conversation.ts';
import { Corpus } from './corpus.ts';
import { DEFAULT_SEGMENTS_BYTES, loadModel } from './exact-blocks.ts';
import { growTo } from './growing.ts';

interface Times {
  readonly p50: number;
  readonly p99: number;
}

/** What is made here of the libraries, as far as it is called. */
interface Libraries {
  readonly '@huggingface/tokenizers': {
    readonly Tokenizer: new (
      file: object,
      config: object,
    ) => { encode(text: string, options: object): { readonly ids: readonly number[] } };
  };
  readonly '@anush008/tokenizers': {
    readonly Tokenizer: {
      fromFile(path: string): {
        encode(text: string, pair: null, options: object): Promise<{ getIds(): readonly number[] }>;
      };
    };
  };
  readonly '@huggingface/jinja': {
    readonly Template: new (source: string) => { render(variables: object): string };
  };
}

const { values } = parseArgs({
  options: { tokenizer: { type: 'string', default: '' }, libraries: { type: 'string', default: '' } },
});
/** The interpreter takes its time. */
const RENDERINGS = 40;

const require = createRequire(`${resolve(values.libraries)}/`);
const library = <Name extends keyof Libraries>(name: Name) =>
  require(`${resolve(values.libraries)}/${name}`) as Libraries[Name];

const measuring = await loadModel(values.tokenizer, new SegmentCache(DEFAULT_SEGMENTS_BYTES));
const { files } = measuring;
if (files.chat.kind !== 'template') throw new Error('there is no chat template');
const source = files.chat.toolUse ?? files.chat.default;
const ours = compileBoundedTemplate(source);
const bodies = await coldBodies(measuring);
const long = await growTo(31_000, new Conversation(new Corpus(), { tools: 'tools' }), measuring);
await measuring.close();

const text = (body: Buffer) => String(ours.render(variablesOf(body)));
const warmUp = bodies.warmUp.map(text);
const counted = { '2600': bodies.counted['2600'].map(text), '31000': bodies.counted['31000'].map(text) };

const { signal } = new AbortController();
const own = await startTokenizer(files, signal);
const js = new (library('@huggingface/tokenizers').Tokenizer)(
  read(files.tokenizerJson),
  JSON.parse(files.tokenizerConfig ?? '{}'),
);
const rust = library('@anush008/tokenizers').Tokenizer.fromFile(files.tokenizerJson);
const encoders = {
  own: async (text: string) => (await own.encode([text], signal))[0]!,
  js: async (text: string) => js.encode(text, { add_special_tokens: false }).ids,
  rust: async (text: string) => (await rust.encode(text, null, { addSpecialTokens: false })).getIds(),
};
const tokenizing: Record<string, Record<string, Times>> = {};
for (const size of SIZES) tokenizing[size] = await tokenized(size);
await own.close();

const variables = variablesOf(long.body);
const theirs = new (library('@huggingface/jinja').Template)(source);
if (String(ours.render(variables)) !== theirs.render(variables)) throw new Error('another rendering');
const rendering = {
  own: rendered(() => String(ours.render(variables))),
  interpreter: rendered(() => theirs.render(variables)),
};
console.log(JSON.stringify({ ...tokenizing, rendering }));

/** Each text by all of them, in turns. */
async function tokenized(size: Size): Promise<Record<string, Times>> {
  const times = new Map<string, number[]>(Object.keys(encoders).map(name => [name, []]));
  for (const [i, text] of [...warmUp, ...counted[size]].entries()) {
    const found = new Set<string>();
    for (const [name, encode] of Object.entries(encoders)) {
      const started = performance.now();
      const ids = await encode(text);
      if (i >= warmUp.length) times.get(name)!.push(performance.now() - started);
      found.add(String(ids));
    }
    if (found.size > 1) throw new Error('other tokens');
  }
  return Object.fromEntries([...times].map(([name, all]) => [name, timesOf(all)]));
}

function rendered(render: () => string): Times {
  for (let i = 0; i < RENDERINGS; i++) render();
  return timesOf(
    Array.from({ length: RENDERINGS }, () => {
      const started = performance.now();
      render();
      return performance.now() - started;
    }),
  );
}

function timesOf(times: readonly number[]): Times {
  const all = Float64Array.from(times);
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99) };
}

/** As templates see a request: arguments of calls are values. */
function variablesOf(body: Buffer): Record<string, unknown> {
  const { messages, tools } = JSON.parse(body.toString(), (key, value) =>
    key === 'arguments' ? JSON.parse(value) : value,
  );
  return { ...files.specialTokens, messages, ...(tools && { tools }), add_generation_prompt: true };
}

function read(path: string): object {
  return JSON.parse(readFileSync(path, 'utf8'));
}
