/** `/tokenize` and `/detokenize`. Unlike render, neither checks the length. */

import type { EngineCore } from '../core.ts';
import { decode, encode, tokenStrings } from '../tokenizer.ts';
import { missingField, validationError } from './api-error.ts';
import { modelOf } from './generation.ts';
import type { Body, Exchange } from './http.ts';
import { chatTokens, listOf, wrongType } from './prompts.ts';

/** The chat form wins if a body has both `messages` and `prompt`. */
export async function tokenize(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  if (body.messages === undefined) checkPrompt(body);
  modelOf(core, body);
  const tokens = body.messages === undefined ? encode(body.prompt as string) : chatTokens(body, core.options);
  exchange.json({
    count: tokens.length,
    max_model_len: core.options.maxModelLen,
    tokens,
    token_strs: body.return_token_strs === true ? tokenStrings(tokens) : null,
  });
}

export async function detokenize(core: EngineCore, exchange: Exchange): Promise<void> {
  const body = await exchange.body();
  if (body.tokens === undefined) throw validationError(missingField(body, 'tokens'));
  const tokens = listOf(body.tokens, 'tokens').map((token, i) => {
    if (typeof token === 'number' && token >= 0) return token;
    const problem = {
      type: 'greater_than_equal',
      msg: 'Input should be greater than or equal to 0',
      ctx: "{'ge': 0}",
    };
    throw validationError({ ...problem, loc: `body.tokens.${i}`, input: token });
  });
  modelOf(core, body);
  exchange.json({ prompt: decode(tokens) });
}

function checkPrompt(body: Body): void {
  const noMessages = missingField(body, 'messages');
  if (body.prompt === undefined) throw validationError(missingField(body, 'prompt'), noMessages);
  if (typeof body.prompt !== 'string')
    throw validationError(wrongType('prompt', 'string', body.prompt), noMessages);
}
