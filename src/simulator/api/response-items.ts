/** The output items of `/v1/responses`, and the events that tell of them while they are made. */
import { randomBytes } from 'node:crypto';
import type { Answer, Piece } from './answers.ts';
import { toolCallId } from './chat-completions.ts';

export type SendEvent = (type: string, fields: object) => void;

/** Whole items, for an answer that was not streamed. */
export function itemsOf({ reasoning, text, call }: Answer): object[] {
  return [
    ...(reasoning === '' ? [] : [reasoningItem(itemId('rs_'), null, [reasoningPart(reasoning)])]),
    ...(text === '' ? [] : [messageItem(itemId('msg_'), 'completed', [textPart(text)])]),
    ...(call === undefined
      ? []
      : [functionCallItem(itemId('fc_'), toolCallId(), 'completed', call.name, call.arguments)]),
  ];
}

type Status = 'in_progress' | 'completed';

/** An item that is being made. */
interface OpenItem {
  readonly id: string;
  readonly kind: 'reasoning' | 'message' | 'function_call';
  readonly callId: string;
  readonly name: string;
  text: string;
}

const KIND_OF: Record<Piece['kind'], OpenItem['kind']> = {
  reasoning: 'reasoning',
  text: 'message',
  call: 'function_call',
  arguments: 'function_call',
};
const ID_PREFIX = { reasoning: 'rs_', message: 'msg_', function_call: 'fc_' } as const;

/** An item begins where the kind of what is said changes. */
export class StreamedItems {
  readonly #send: SendEvent;
  readonly #done: object[] = [];
  #open: OpenItem | undefined;

  constructor(send: SendEvent) {
    this.#send = send;
  }

  add({ kind, text }: Piece): void {
    // The end token says nothing.
    if (text === '') return;
    if (this.#open?.kind !== KIND_OF[kind]) {
      this.#close();
      this.#start(KIND_OF[kind], text);
    }
    if (kind === 'call') return;
    const open = this.#open!;
    open.text += text;
    const place = this.#place(open);
    switch (kind) {
      case 'reasoning':
        this.#send('response.reasoning_text.delta', { ...place, content_index: 0, delta: text });
        break;
      case 'text':
        this.#send('response.output_text.delta', { ...place, content_index: 0, delta: text, logprobs: [] });
        break;
      case 'arguments':
        this.#send('response.function_call_arguments.delta', { ...place, delta: text });
    }
  }

  /** Ends the last one; all that there are. */
  end(): readonly object[] {
    this.#close();
    return this.#done;
  }

  #place({ id }: OpenItem) {
    return { item_id: id, output_index: this.#done.length };
  }

  #start(kind: OpenItem['kind'], name: string): void {
    const open: OpenItem = { kind, id: itemId(ID_PREFIX[kind]), callId: toolCallId(), name, text: '' };
    this.#open = open;
    const item = itemOf(open, 'in_progress');
    this.#send('response.output_item.added', { item, output_index: this.#done.length });
    if (kind === 'function_call') return;
    const part = kind === 'reasoning' ? reasoningPart('') : { ...textPart(''), logprobs: [] };
    this.#send('response.content_part.added', { ...this.#place(open), content_index: 0, part });
  }

  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const place = this.#place(open);
    const { kind, text, name } = open;
    const item = itemOf(open, 'completed');
    switch (kind) {
      case 'reasoning':
        this.#send('response.reasoning_text.done', { ...place, content_index: 0, text });
        this.#send('response.content_part.done', { ...place, content_index: 0, part: reasoningPart(text) });
        break;
      case 'message':
        this.#send('response.output_text.done', { ...place, content_index: 0, text, logprobs: [] });
        this.#send('response.content_part.done', { ...place, content_index: 0, part: textPart(text) });
        break;
      case 'function_call':
        this.#send('response.function_call_arguments.done', { ...place, arguments: text, name });
    }
    this.#send('response.output_item.done', { item, output_index: place.output_index });
    this.#done.push(item);
  }
}

function itemOf({ kind, id, callId, name, text }: OpenItem, status: Status): object {
  const content = status === 'completed';
  switch (kind) {
    case 'reasoning':
      return reasoningItem(id, status, content ? [reasoningPart(text)] : null);
    case 'message':
      return messageItem(id, status, content ? [textPart(text)] : []);
    case 'function_call':
      return functionCallItem(id, callId, status, name, text);
  }
}

function reasoningItem(id: string, status: Status | null, content: readonly object[] | null) {
  return { id, summary: [], type: 'reasoning', content, encrypted_content: null, status };
}

function messageItem(id: string, status: Status, content: readonly object[]) {
  return { id, content, role: 'assistant', status, type: 'message', phase: null };
}

function functionCallItem(id: string, callId: string, status: Status, name: string, written: string) {
  const rest = { async: null, caller: null, namespace: null, status };
  return { arguments: written, call_id: callId, name, type: 'function_call', id, ...rest };
}

function reasoningPart(text: string) {
  return { text, type: 'reasoning_text' };
}

function textPart(text: string) {
  return { annotations: [], text, type: 'output_text', logprobs: null };
}

function itemId(prefix: string): string {
  return prefix + randomBytes(8).toString('hex');
}
