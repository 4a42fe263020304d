/**
 * What engines published, and what they then said themselves that they would reuse of some prompts: the same, to the block.
 * `WARMROUTE_RECORDINGS` names a folder with more of it: pairs of `NAME.events.jsonl` (`{parts: [hex …, hex payload]}`) and
 * `NAME.truth.jsonl` (`{block_size, tokens, cache_salt?, lora?, extra_key?, device_tokens}`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { assert } from 'chai';
import { decodeBatch } from '../../../src/events/decoding/decoder.ts';
import { RankIngest } from '../../../src/events/ingest/rank-ingest.ts';
import { createPrefixLookup } from '../../../src/routing/prefix-lookup.ts';
import { HASHER } from '../../support/blocks.ts';
import { aCacheState, aPod } from '../../support/builders.ts';

interface Asked {
  readonly tokens: readonly number[];
  readonly salt?: string;
  readonly adapter?: string;
  readonly cachedTokens: number;
}

interface Recording {
  readonly blockSizeTokens: number;
  readonly payloads: readonly Buffer[];
  readonly asked: readonly Asked[];
}

const pod = aPod({ model: 'tiny', aliases: ['lora0', 'lora1'] });
const FOLDER = process.env.WARMROUTE_RECORDINGS;

function fixture(name: string): Recording {
  const { payloads, ...rest } = JSON.parse(
    readFileSync(new URL(`../../fixtures/${name}.json`, import.meta.url), 'utf8'),
  ) as Recording & { readonly payloads: readonly string[] };
  return { ...rest, payloads: payloads.map(payload => Buffer.from(payload as unknown as string, 'base64')) };
}

function lines<T>(file: string): T[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as T);
}

function recordingAt(path: string): Recording {
  const events = lines<{ readonly parts: readonly string[] }>(`${path}.events.jsonl`);
  const truth = lines<{
    readonly block_size: number;
    readonly tokens: readonly number[];
    readonly device_tokens: number;
    readonly cache_salt?: string;
    readonly lora?: string;
    readonly extra_key?: string;
  }>(`${path}.truth.jsonl`);
  return {
    blockSizeTokens: truth[0]!.block_size,
    payloads: events.map(({ parts }) => Buffer.from(parts.at(-1)!, 'hex')),
    asked: truth
      // Such a request claims nothing from events: its key is not on the wire.
      .filter(({ extra_key }) => extra_key === undefined)
      .map(({ tokens, device_tokens, cache_salt, lora }) => ({
        ...{ tokens, cachedTokens: device_tokens },
        ...(cache_salt !== undefined && { salt: cache_salt }),
        ...(lora !== undefined && { adapter: lora }),
      })),
  };
}

function itClaimsWhatIsHeld(name: string, read: () => Recording): void {
  it(name, () => {
    const { blockSizeTokens, payloads, asked } = read();
    const cache = aCacheState();
    const feed = new RankIngest({ pod: pod.name, rank: 0, model: pod.model, cache, hasher: HASHER });
    for (const payload of payloads) {
      const batch = decodeBatch(payload);
      if (batch.kind === 'malformed') assert.fail(batch.why);
      assert.isEmpty(batch.skipped);
      for (const event of batch.events) feed.apply(event);
    }
    cache.index.check();
    const lookup = createPrefixLookup({
      ...{ cache, source: 'engines', hasher: HASHER, maxBlocksPerPrompt: Number.POSITIVE_INFINITY },
      defaultBlockSizeTokens: { engine: blockSizeTokens, character: 1, tiktoken: 1 },
    });
    const claimed = asked.map(({ tokens, salt = '', adapter = 'tiny' }) => {
      const ids = Uint32Array.from(tokens);
      const found = lookup({ space: 'engine', ids }, { model: adapter, adapter: undefined, salt }, [pod]);
      return found.matchedBlocks[0]! * blockSizeTokens;
    });
    assert.isAbove(Math.max(...claimed), 0);
    assert.deepEqual(
      claimed,
      asked.map(({ cachedTokens }) => cachedTokens),
    );
  });
}

describe('of prompts, what is claimed is what the engine would reuse', () => {
  for (const name of [
    ...['vllm-0.33.0-lookahead', 'sglang-0.5.23-eagle'],
    // KV-cache groups of unequal block size, as Gemma 3 and DeepSeek-V4 have them, and two that no model has yet.
    ...['full64-window16', 'mla256-windows', 'full16-window64', 'full48-window32'].map(
      of => `vllm-0.32.0-${of}`,
    ),
  ]) {
    itClaimsWhatIsHeld(name, () => fixture(name));
  }

  const suffix = '.truth.jsonl';
  const names = FOLDER === undefined ? [] : readdirSync(FOLDER, { recursive: true }).map(String);
  for (const file of names.filter(name => name.endsWith(suffix)).sort()) {
    const name = file.slice(0, -suffix.length);
    itClaimsWhatIsHeld(name, () => recordingAt(`${FOLDER}/${name}`));
  }
});
