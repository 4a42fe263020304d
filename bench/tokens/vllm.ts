/**
 * What a real vLLM takes to tell the tokens of prompts, one at a time, over HTTP, from body to ids. Prints one line of JSON, times in
 * milliseconds.
 *
 *   node bench/tokens/vllm.ts --tokenizer DIR --url http://HOST:PORT --model NAME
 */
import { parseArgs } from 'node:util';
import { SegmentCache } from '../../src/tokenizers/segments/segment-cache.ts';
import { percentile } from '../support/stats.ts';
import { coldBodies, SIZES } from './cold-bodies.ts';
import { PATH } from './conversation.ts';
import { DEFAULT_SEGMENTS_BYTES, loadModel } from './exact-blocks.ts';

const { values } = parseArgs({
  options: {
    tokenizer: { type: 'string', default: '' },
    url: { type: 'string', default: '' },
    model: { type: 'string', default: '' },
  },
});
const measuring = await loadModel(values.tokenizer, new SegmentCache(DEFAULT_SEGMENTS_BYTES));
const { warmUp, counted } = await coldBodies(measuring, values.model);
await measuring.close();

for (const body of warmUp) await idsOf(body);
const sizes: Record<string, object> = {};
for (const size of SIZES) {
  const times = new Float64Array(counted[size].length);
  let tokens = 0;
  for (const [i, body] of counted[size].entries()) {
    const started = performance.now();
    tokens += (await idsOf(body)).length / times.length;
    times[i] = performance.now() - started;
  }
  sizes[size] = { tokens, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}
console.log(JSON.stringify(sizes));

async function idsOf(body: Buffer): Promise<readonly number[]> {
  const response = await fetch(new URL(`${PATH}/render`, values.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  if (!response.ok) throw new Error(`${values.url} answers ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { readonly token_ids: readonly number[] }).token_ids;
}
