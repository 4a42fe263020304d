import { stringAtStart } from '../prompt/string-at-start.ts';

/** Engines write the id first; OpenAI's own answers have it in their first 100 bytes. */
const MAX_BYTES = 64 * 1024;
/** Each part is looked at with those before it: the bound of what that may cost. */
const MAX_PARTS = 64;

const IN_OBJECT = ['id'];
/** Of the event `response.created`, and of those that follow it. */
const IN_EVENT = ['response', 'id'];

const [SPACE, OPEN_BRACE] = [0x20, 0x7b];
const NO_BYTES = Buffer.alloc(0);

/**
 * Finds the id in an answer of `/v1/responses` as it comes in, a JSON object or server-sent events. The answer is not parsed: what
 * comes before the id is looked at, and never more than 64 KiB.
 */
export class ResponseIdReader {
  #beginning: Buffer = NO_BYTES;
  #parts = 0;
  #isDone = false;

  /** Nothing more is looked for: it was found, or it will not come. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** The id, when this part completes it. */
  read(part: Uint8Array): string | undefined {
    if (this.#isDone) return undefined;
    const room = part.subarray(0, MAX_BYTES - this.#beginning.length);
    this.#beginning = Buffer.concat([this.#beginning, room]);
    this.#parts++;
    const id = idIn(this.#beginning);
    this.#isDone = id !== undefined || this.#parts === MAX_PARTS || this.#beginning.length === MAX_BYTES;
    if (this.#isDone) this.#beginning = NO_BYTES;
    return id;
  }
}

function idIn(beginning: Buffer): string | undefined {
  const first = beginning.find(byte => byte > SPACE);
  return first === OPEN_BRACE ? stringAtStart(beginning, IN_OBJECT) : idInEvents(beginning);
}

/** What follows `data:` in each line, the last of which may not be complete. */
function idInEvents(text: Buffer): string | undefined {
  for (const line of text.toString('latin1').split(/\r\n|\r|\n/)) {
    if (!line.startsWith('data:')) continue;
    const id = stringAtStart(Buffer.from(line.slice('data:'.length), 'latin1'), IN_EVENT);
    if (id !== undefined) return id;
  }
  return undefined;
}
