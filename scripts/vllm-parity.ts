/** Whether the tokens that are computed in process are those that a vLLM makes of the same requests. */
import { parsePrompt } from '../src/prompt/request.ts';
import type { ModelTokenizer } from '../src/tokenizers/model-tokenizer.ts';
import { compareIds } from '../src/tokenizers/parity/comparison.ts';
import type { SentRequest } from './vllm-agents.ts';
import { detokenized, post, rawOf } from './vllm-tokens.ts';

export interface Parity {
  readonly equal: number;
  /** The engine does not take them, or fails. */
  readonly refused: number;
  /** They are not computed in process: why, and how many. */
  readonly left: ReadonlyMap<string, number>;
  /** What is different, and where. */
  readonly different: readonly string[];
}

/** @param url of an engine that renders all (vLLM 0.32 with `--enable-scale-out`, or `vllm launch render`) */
export async function parityWith(
  url: string,
  model: string,
  tokenizer: ModelTokenizer,
  requests: readonly SentRequest[],
): Promise<Parity> {
  let equal = 0;
  let refused = 0;
  const left = new Map<string, number>();
  const different: string[] = [];
  for (const request of requests) {
    const outcome = await compared(url, model, tokenizer, request);
    if (outcome.kind === 'equal') equal++;
    else if (outcome.kind === 'refused') refused++;
    else if (outcome.kind === 'left') left.set(outcome.why, (left.get(outcome.why) ?? 0) + 1);
    else different.push(`${request.what}: ${outcome.where}`);
  }
  return { equal, refused, left, different };
}

export type Outcome =
  | { readonly kind: 'equal' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'left'; readonly why: string }
  | { readonly kind: 'different'; readonly where: string };

/** One request: computed in process, and rendered by the engine. */
export async function compared(
  url: string,
  model: string,
  tokenizer: ModelTokenizer,
  { path, body }: SentRequest,
): Promise<Outcome> {
  const raw = rawOf(model, body);
  const rendered = await post(`${url}${path}/render`, raw);
  if (rendered.status !== 200) return { kind: 'refused' };
  const parsed = parsePrompt(path, 'application/json', Buffer.from(raw));
  if (parsed.kind === 'invalid') return { kind: 'left', why: `no prompt: ${parsed.error.kind}` };
  const ours = await tokenizer.tokensOf(parsed.prompt);
  if (ours.kind === 'none') return { kind: 'left', why: ours.why };
  const theirs = renderedIds(rendered.text);
  const comparison = compareIds(ours.ids, theirs);
  if (comparison.kind !== 'different') return { kind: 'equal' };
  const { position } = comparison;
  const around = (ids: Uint32Array) => ids.subarray(Math.max(0, position - 10), position + 20);
  const [here, there] = [around(ours.ids), around(theirs)];
  return {
    kind: 'different',
    where: `token ${position} of ${theirs.length}: ours ${ours.ids[position]}, the engine’s ${theirs[position]};
    ours   …${await detokenized(url, model, here)}…
    theirs …${await detokenized(url, model, there)}…`,
  };
}

/** Of the first prompt, as `/render` answers. */
export function renderedIds(text: string): Uint32Array {
  const answer: unknown = JSON.parse(text);
  const first = (Array.isArray(answer) ? answer[0] : answer) as { readonly token_ids: readonly number[] };
  return Uint32Array.from(first.token_ids);
}

/** In one line. */
export function describeParity({ equal, refused, left, different }: Parity): string {
  const why = [...left].map(([why, count]) => `${count} ${why}`).join(', ');
  const total = [...left.values()].reduce((sum, count) => sum + count, 0);
  return `${equal} equal, ${different.length} different, ${total} left to the engine${why && ` (${why})`}, ${refused} refused by it`;
}
