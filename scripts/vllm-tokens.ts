/** Whether `/tokenize`, asked as the router asks it, gives the tokens that the engine itself makes of a request. */

import { tokenizeBodies } from '../src/prompt/engine/tokenize-bodies.ts';
import { parsePrompt } from '../src/prompt/request.ts';
import type { SentRequest } from './vllm-agents.ts';

/** undefined: they are the same. Otherwise what is wrong. */
export async function tokensDiffer(
  url: string,
  model: string,
  { path, body }: SentRequest,
): Promise<string | undefined> {
  const raw = rawOf(model, body);
  const rendered = await post(`${url}${path}/render`, raw);
  if (rendered.status !== 200) return `render answered ${rendered.status}: ${rendered.text.slice(0, 300)}`;
  const parsed = parsePrompt(path, 'application/json', Buffer.from(raw));
  if (parsed.kind === 'invalid') return `no prompt: ${JSON.stringify(parsed.error)}`;
  const bodies = tokenizeBodies(parsed.prompt);
  if (bodies.length === 0) return 'it has no form for /tokenize';
  for (const each of bodies) {
    const tokenized = await post(`${url}/tokenize`, each);
    if (tokenized.status === 400) continue;
    if (tokenized.status !== 200)
      return `/tokenize answered ${tokenized.status}: ${tokenized.text.slice(0, 300)}`;
    const answer: unknown = JSON.parse(rendered.text);
    const { token_ids: wanted } = (Array.isArray(answer) ? answer[0] : answer) as { token_ids: number[] };
    const { tokens: got } = JSON.parse(tokenized.text) as { tokens: number[] };
    if (got.join() === wanted.join()) return undefined;
    const at = wanted.findIndex((id, i) => id !== got[i]);
    const show = (ids: readonly number[]) =>
      detokenized(url, model, ids.slice(Math.max(0, at - 10), at + 30));
    return `token ${at} of ${wanted.length}: wanted …${await show(wanted)}…, got …${await show(got)}…`;
  }
  return '/tokenize refuses all forms';
}

/** Whether it renders messages, which is what vLLM came to render last. */
export async function rendersAll(url: string, model: string): Promise<boolean> {
  const body = { model, max_tokens: 1, messages: [{ role: 'user', content: 'Hello' }] };
  return (await post(`${url}/v1/messages/render`, JSON.stringify(body))).status === 200;
}

/** The text of tokens, as JSON. */
export async function detokenized(url: string, model: string, tokens: Iterable<number>): Promise<string> {
  const { text } = await post(`${url}/detokenize`, JSON.stringify({ model, tokens: [...tokens] }));
  return JSON.stringify((JSON.parse(text) as { prompt?: string }).prompt);
}

export async function post(url: string, body: string): Promise<{ status: number; text: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, text: await response.text() };
}

/** A request as it is sent. */
export function rawOf(model: string, body: SentRequest['body']): string {
  if (typeof body !== 'string') return JSON.stringify({ model, ...body });
  return body.replace('{', () => `{"model":${JSON.stringify(model)},`);
}
