/**
 * Answers that are more than text. A model writes reasoning and tool calls as text between marks, and vLLM's parsers take them
 * apart again. The simulated model does so where a request asks for it: it writes by a script that knows which bytes are what.
 */
import { StringDecoder } from 'node:string_decoder';
import { THOUGHT, TOOL_CALL, type ToolCall } from '../chat-template.ts';
import { noiseFor } from '../noise.ts';
import type { Generation } from '../scheduler.ts';
import { bytesOf, decode, END_OF_SEQUENCE, encode } from '../tokenizer.ts';

/** What a client is shown. A call comes as its name, whole, and then its arguments, piece by piece. */
export interface Piece {
  readonly kind: 'reasoning' | 'text' | 'call' | 'arguments';
  readonly text: string;
}

export interface Script {
  /** Without the end token. */
  readonly tokens: readonly number[];
  /** For each token what it shows; nothing for those that only mark. */
  readonly steps: readonly (readonly Piece[])[];
  readonly reasons: boolean;
}

export interface Answer {
  /** '' for none. */
  readonly reasoning: string;
  readonly text: string;
  readonly call: ToolCall | undefined;
}

/** `call`: what the request forces the model to call. */
export interface Wanted {
  readonly reasoning: boolean;
  readonly call: ToolCall | undefined;
}

const REASONING_TOKENS = 12;
const TEXT_TOKENS = 24;

type Part = Piece | { readonly kind: 'mark'; readonly text: string };

/** Undefined: noise is as good. The same for the same prompt and seed. */
export function scriptFor(promptTokens: readonly number[], seed: number, wanted: Wanted): Script | undefined {
  const { reasoning, call } = wanted;
  if (!reasoning && call === undefined) return undefined;
  const noise = noiseFor(promptTokens, { seed, ignoreEos: true });
  const words = (count: number) => decode(Array.from({ length: count }, () => noise.next()));
  const parts: Part[] = [];
  if (reasoning) {
    parts.push(
      { kind: 'mark', text: THOUGHT.start },
      { kind: 'reasoning', text: words(REASONING_TOKENS) },
      { kind: 'mark', text: THOUGHT.end },
    );
  }
  if (call === undefined) parts.push({ kind: 'text', text: words(TEXT_TOKENS) });
  else {
    parts.push(
      { kind: 'mark', text: TOOL_CALL.start },
      { kind: 'call', text: call.name },
      { kind: 'mark', text: TOOL_CALL.middle },
      { kind: 'arguments', text: call.arguments },
      { kind: 'mark', text: TOOL_CALL.end },
    );
  }
  const tokens = encode(parts.map(({ text }) => text).join(''));
  return { tokens, steps: stepsOf(tokens, parts), reasons: reasoning };
}

/** What the answer's token at `index` shows. */
export function piecesOf(script: Script | undefined, index: number, token: number): readonly Piece[] {
  if (script === undefined) return [{ kind: 'text', text: answerText([token]) }];
  return script.steps[index] ?? [];
}

/** As vLLM's parsers see it: a call that was cut short is text. */
export function answerOf(script: Script | undefined, { tokenIds, finishReason }: Generation): Answer {
  if (script === undefined) return { reasoning: '', text: answerText(tokenIds), call: undefined };
  const pieces = script.steps.slice(0, tokenIds.length).flat();
  const all = (kind: Piece['kind']) =>
    pieces
      .filter(piece => piece.kind === kind)
      .map(({ text }) => text)
      .join('');
  const reasoning = all('reasoning');
  const name = all('call');
  if (name !== '' && finishReason === 'stop') {
    return { reasoning, text: '', call: { name, arguments: all('arguments') } };
  }
  const written = answerText(tokenIds);
  return {
    reasoning,
    text: reasoning === '' ? written : (written.split(THOUGHT.end)[1] ?? ''),
    call: undefined,
  };
}

export function reasoningTokensOf(script: Script | undefined, { tokenIds }: Generation): number {
  const shown = script?.steps.slice(0, tokenIds.length) ?? [];
  return shown.filter(pieces => pieces.some(({ kind }) => kind === 'reasoning')).length;
}

/** The text of an answer: without its end token. */
export function answerText(tokenIds: readonly number[]): string {
  return decode(tokenIds.filter(token => token !== END_OF_SEQUENCE));
}

/** Tokens and parts are the same bytes, cut at different places. */
function stepsOf(tokens: readonly number[], parts: readonly Part[]): Piece[][] {
  const ahead = parts.map(part => ({
    part,
    bytesLeft: Buffer.byteLength(part.text),
    decoder: new StringDecoder(),
  }));
  return tokens.map(token => {
    const pieces: Piece[] = [];
    for (let bytes = bytesOf(token); bytes.length > 0; ) {
      const current = ahead[0]!;
      const own = bytes.subarray(0, current.bytesLeft);
      bytes = bytes.subarray(own.length);
      current.bytesLeft -= own.length;
      const text = current.decoder.write(own);
      const { part } = current;
      if (current.bytesLeft === 0) ahead.shift();
      if (part.kind === 'mark') continue;
      if (part.kind !== 'call') pieces.push({ kind: part.kind, text });
      else if (current.bytesLeft === 0) pieces.push(part);
    }
    return pieces;
  });
}
