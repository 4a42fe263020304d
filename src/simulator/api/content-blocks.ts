/** The content blocks of `/v1/messages`, and the events that tell of them while they are made. */
import { randomBytes } from 'node:crypto';
import type { Answer, Piece } from './answers.ts';
import { toolCallId } from './chat-completions.ts';

export type SendEvent = (type: string, fields: object) => void;

/** Whole blocks, for an answer that was not streamed. */
export function blocksOf({ reasoning, text, call }: Answer): object[] {
  const input = call && JSON.parse(call.arguments);
  return [
    ...(reasoning === '' ? [] : [{ type: 'thinking', thinking: reasoning, signature: signature() }]),
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...(call === undefined ? [] : [{ type: 'tool_use', id: toolCallId(), name: call.name, input }]),
  ];
}

type BlockType = 'thinking' | 'text' | 'tool_use';

const BLOCK_OF: Record<Piece['kind'], BlockType> = {
  reasoning: 'thinking',
  text: 'text',
  call: 'tool_use',
  arguments: 'tool_use',
};

/** A block begins where the kind of what is said changes. */
export class StreamedBlocks {
  readonly #send: SendEvent;
  #index = -1;
  #open: BlockType | undefined;
  called = false;

  constructor(send: SendEvent) {
    this.#send = send;
  }

  add({ kind, text }: Piece): void {
    // The end token says nothing.
    if (text === '') return;
    if (this.#open !== BLOCK_OF[kind]) this.#start(kind, text);
    switch (kind) {
      case 'reasoning':
        this.#delta({ type: 'thinking_delta', thinking: text });
        break;
      case 'text':
        this.#delta({ type: 'text_delta', text });
        break;
      case 'arguments':
        this.#delta({ type: 'input_json_delta', partial_json: text });
        break;
      case 'call':
        this.called = true;
    }
  }

  end(): void {
    if (this.#open === undefined) return;
    if (this.#open === 'thinking') this.#delta({ type: 'signature_delta', signature: signature() });
    this.#send('content_block_stop', { index: this.#index });
    this.#open = undefined;
  }

  #start(kind: Piece['kind'], name: string): void {
    this.end();
    const type = BLOCK_OF[kind];
    this.#open = type;
    this.#index++;
    const block = {
      thinking: { thinking: '' },
      text: { text: '' },
      tool_use: { id: toolCallId(), name, input: {} },
    }[type];
    this.#send('content_block_start', { content_block: { type, ...block }, index: this.#index });
  }

  #delta(delta: object): void {
    this.#send('content_block_delta', { delta, index: this.#index });
  }
}

function signature(): string {
  return randomBytes(16).toString('hex');
}
