import type { Turn } from './conversations.ts';

/** What one request showed, from outside. */
export interface Measured {
  readonly turn: Turn;
  readonly pod: string;
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
  readonly reason: string;
  readonly timeToFirstTokenMs: number;
  /** From the engine's own usage. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly answer: string;
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
  } | null;
}

/**
 * Sends one turn through Envoy, streamed. `headers` may name a routing strategy. Throws on any other status than 200.
 * @param maxTokens of the answer
 */
export async function ask(
  url: string,
  model: string,
  turn: Turn,
  headers: Readonly<Record<string, string>>,
  maxTokens = 24,
): Promise<Measured> {
  const started = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-warmroute-debug': '1', ...headers },
    body: JSON.stringify({
      model,
      messages: turn.messages,
      max_tokens: maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  if (response.status !== 200) throw new Error(`Envoy answered ${response.status}: ${await response.text()}`);

  let answer = '';
  let timeToFirstTokenMs: number | undefined;
  let usage: Chunk['usage'];
  for await (const chunk of events(response)) {
    const text = chunk.choices?.[0]?.delta?.content;
    if (text) {
      timeToFirstTokenMs ??= performance.now() - started;
      answer += text;
    }
    usage = chunk.usage ?? usage;
  }
  return {
    turn,
    pod: response.headers.get('x-warmroute-pod') ?? '?',
    matchedBlocks: Number(response.headers.get('x-warmroute-matched-blocks')),
    totalBlocks: Number(response.headers.get('x-warmroute-total-blocks')),
    reason: response.headers.get('x-warmroute-reason') ?? 'not routed',
    timeToFirstTokenMs: timeToFirstTokenMs ?? performance.now() - started,
    promptTokens: usage?.prompt_tokens ?? 0,
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    answer,
  };
}

/** Server-sent events, up to `[DONE]`. */
async function* events(response: Response): AsyncGenerator<Chunk> {
  let rest = '';
  for await (const bytes of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + bytes).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith('data: {')) yield JSON.parse(line.slice('data: '.length)) as Chunk;
    }
  }
}
