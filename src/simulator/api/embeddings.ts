/** `/v1/embeddings`: a short vector made from the tokens. Embedding models keep no prefix cache here. */
import { type EngineCore, nowSeconds } from '../core.ts';
import { logRequest, modelOf, requestId } from './generation.ts';
import type { Exchange } from './http.ts';
import { completionTokens } from './prompts.ts';

const DIMENSIONS = 8;

export async function createEmbedding(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  const model = modelOf(core, body);
  const inputs = completionTokens({ ...body, prompt: body.input });
  const promptTokens = inputs.reduce((total, tokens) => total + tokens.length, 0);
  logRequest(core, exchange, model, promptTokens);
  exchange.json({
    id: requestId(exchange, 'embd-'),
    object: 'list',
    created: nowSeconds(core),
    model,
    data: inputs.map(vectorOf).map((vector, index) => ({
      ...{ index, object: 'embedding' },
      embedding: body.encoding_format === 'base64' ? base64Of(vector) : vector,
    })),
    usage: {
      prompt_tokens: promptTokens,
      total_tokens: promptTokens,
      completion_tokens: 0,
      prompt_tokens_details: null,
    },
  });
}

/** Of length 1. */
function vectorOf(tokens: readonly number[]): number[] {
  const sums = new Array<number>(DIMENSIONS).fill(1);
  for (const [i, token] of tokens.entries()) sums[i % DIMENSIONS]! += token % 1_009;
  const length = Math.hypot(...sums);
  return sums.map(sum => sum / length);
}

/** Little-endian floats of 32 bits. */
function base64Of(vector: readonly number[]): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}
