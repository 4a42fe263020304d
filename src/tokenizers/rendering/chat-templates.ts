/** What requests are rendered with: a model's chat templates and special tokens. */
import type { Json } from '../../prompt/exact-json.ts';
import type { ChunkedText } from '../chunked-text.ts';
import type { ContentFormat } from './conversation.ts';

/** A compiled chat template. */
export interface ChatTemplate {
  readonly contentFormat: ContentFormat;
  /** Whether it tells a `developer` from the system. */
  readonly knowsDeveloper: boolean;
  /** Whether it prints the time. */
  readonly dependsOnTime: boolean;
  readonly source: string;
  /** Throws where the template refuses, fails, or does too much. */
  render(variables: Json): ChunkedText;
}

export interface ChatTemplates {
  readonly default: ChatTemplate;
  /** For requests with tools, where the model has one of its own. */
  readonly toolUse: ChatTemplate | undefined;
  /** `bos_token` and the like, as templates see them. */
  readonly specialTokens: Json;
}

/** As transformers picks it (`PreTrainedTokenizerBase.get_chat_template`). */
export function templateFor({ default: usual, toolUse }: ChatTemplates, tools: unknown): ChatTemplate {
  return tools !== null && toolUse !== undefined ? toolUse : usual;
}
