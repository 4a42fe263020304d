/**
 * Agents' conversations as `/v1/chat/completions` gets them: a system prompt, tools, and turns in which a tool was called and has
 * answered, or a user has said something. Sizes are in tokens of Qwen3's tokenizer, some per cent more or less.
 */
import type { Corpus } from './corpus.ts';

export const PATH = '/v1/chat/completions';
export const MODEL = 'demo';

/** What a turn adds: what the model has said, and what it is told next. */
export const TURN_TOKENS = 300;

const TOOLS = Array.from({ length: 12 }, (_, i) => ({
  type: 'function',
  function: {
    name: `tool_${i}`,
    description: 'Reads a file of the workspace and returns some of its lines, with their numbers. '.repeat(
      2,
    ),
    parameters: {
      type: 'object',
      properties: {
        path: { type: 'string', description: 'relative to the workspace' },
        from: { type: 'integer', minimum: 1 },
        to: { type: 'integer', minimum: 1 },
      },
      required: ['path'],
    },
  },
}));

/** In UTF-16 units. */
const SYSTEM = 4_000;
const CALL = 260;
const RESULT = 620;
const SAID = 340;
/** One turn in so many is a user's, the others are a tool's. */
const USER_EVERY = 8;

export interface ConversationOptions {
  readonly model?: string | undefined;
  /** Without: plain text alone. */
  readonly tools: 'tools' | 'no_tools';
}

export class Conversation {
  readonly #corpus: Corpus;
  readonly #model: string;
  readonly #tools: ConversationOptions['tools'];
  readonly #messages: object[];
  #turns = 0;

  constructor(corpus: Corpus, { model = MODEL, tools }: ConversationOptions) {
    this.#corpus = corpus;
    this.#model = model;
    this.#tools = tools;
    const system = tools === 'tools' ? SYSTEM : CALL;
    this.#messages = [
      { role: 'system', content: `You are a coding agent. ${corpus.take(system)}` },
      { role: 'user', content: corpus.take(RESULT) },
    ];
  }

  /** Adds turns. */
  goOn(turns = 1): this {
    for (let i = 0; i < turns; i++) this.#messages.push(...this.#turn(this.#turns++));
    return this;
  }

  get body(): Buffer {
    const tools = this.#tools === 'tools' ? { tools: TOOLS } : {};
    return Buffer.from(
      JSON.stringify({ model: this.#model, max_tokens: 16, messages: this.#messages, ...tools }),
    );
  }

  #turn(turn: number): object[] {
    // Some are longer than others.
    const length = RESULT + ((turn * 37) % 100) - 50;
    if (this.#tools === 'no_tools' || turn % USER_EVERY === USER_EVERY - 1)
      return [
        { role: 'assistant', content: this.#corpus.take(SAID) },
        { role: 'user', content: this.#corpus.take(length + CALL - SAID) },
      ];
    const id = `call_${turn}`;
    const said = { path: `src/part-${turn}.ts`, note: this.#corpus.take(CALL) };
    const call = {
      id,
      type: 'function',
      function: { name: `tool_${turn % TOOLS.length}`, arguments: JSON.stringify(said) },
    };
    return [
      { role: 'assistant', content: '', tool_calls: [call] },
      { role: 'tool', tool_call_id: id, content: this.#corpus.take(length) },
    ];
  }
}
