/**
 * A prompt without tokens, recognized by what the client wrote: for sending the next turn of a conversation where the last one
 * went. Fingerprints are taken where a longer prompt may go on: behind each message, and within long texts at places that do
 * not depend on what follows. Each covers all that precedes it. Nothing is claimed of an engine's cache by them.
 */
import { crc32 } from 'node:zlib';
import { systemText } from './chat/messages-chat.ts';
import { isPresent } from './exact-json.ts';
import type { PromptRequest } from './request.ts';

/** Of a text, in bytes; further pieces are a quarter of all before them, so that a text of any length has few. */
const LEAST_PIECE = 64;
const GROWTH = 4;
/** Longer bodies are not recognized: writing them out again would keep everybody waiting. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** A mark of where the client wants a cache written. It moves with every turn. */
const MOVING = 'cache_control';

/** One number of 53 bits per place, shortest prefix first; none for what has no prompt. */
export function fingerprintsOf(prompt: PromptRequest, seed: number): number[] {
  const { content, body, raw, model, adapter = '', salt, extraKey } = prompt;
  if (raw.length > MAX_BODY_BYTES) return [];
  const trail = new Trail(seed);
  trail.add(model);
  trail.add(adapter);
  trail.add(salt);
  trail.add(extraKey);
  switch (content.kind) {
    case 'chat':
    case 'messages':
      trail.add(systemText(body.system) ?? '');
      addMessages(trail, body.messages);
      break;
    case 'responses':
      if (isPresent(body.instructions)) trail.add(String(body.instructions));
      if (typeof body.input === 'string') trail.addMarked(body.input);
      else addMessages(trail, body.input);
      break;
    case 'text':
      trail.addMarked(content.text);
      break;
    case 'tokens':
    case 'none':
      break;
  }
  return trail.places;
}

function addMessages(trail: Trail, messages: unknown): void {
  for (const message of messages as readonly unknown[]) {
    const text = written(message);
    if (text === undefined) return;
    trail.addMarked(text);
  }
}

function written(message: unknown): string | undefined {
  try {
    const text = JSON.stringify(message);
    if (!text.includes(MOVING)) return text;
    return JSON.stringify(message, (name, value: unknown) => (name === MOVING ? undefined : value));
  } catch {
    // Nested deeper than the stack.
    return undefined;
  }
}

/** Two lanes that everything so far has gone into. */
class Trail {
  readonly places: number[] = [];
  #x: number;
  #y: number;

  constructor(seed: number) {
    this.#x = seed | 0;
    this.#y = ~seed;
  }

  /** A text that nobody goes on within. */
  add(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    this.#mix(crc32(bytes));
    this.#mix(bytes.length);
  }

  /** A message, or a text that the next prompt may go on with. */
  addMarked(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    let start = 0;
    for (;;) {
      const end = start + Math.max(LEAST_PIECE, Math.floor(start / GROWTH));
      if (end > bytes.length) break;
      this.#mix(crc32(bytes.subarray(start, end)));
      this.#mark();
      start = end;
    }
    this.#mix(crc32(bytes.subarray(start)));
    this.#mix(bytes.length);
    this.#mark();
  }

  #mix(value: number): void {
    const x = Math.imul(this.#x ^ value, 0xcc9e2d51);
    this.#x = x ^ (x >>> 15);
    this.#y = Math.imul(this.#y ^ this.#x, 0x85ebca6b);
    this.#y ^= this.#y >>> 13;
  }

  #mark(): void {
    this.places.push((this.#x >>> 0) * 2 ** 21 + (this.#y >>> 11));
  }
}
