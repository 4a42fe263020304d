/** One line of a recording: docs/record.md is the same for who reads it. Nothing in it is a text that a client chooses. */
import { labelOf, type RoutedDecision } from '../domain.ts';
import { whyLeft } from '../routing/route.ts';
import type { FileSalt } from './file-salt.ts';
import type { RecordedExchange } from './recorded-exchange.ts';

/** What all lines of a file have in common. */
export interface LineContext {
  readonly salt: FileSalt;
  /** When its first request was decided: by the monotonic clock, and in milliseconds since the epoch. */
  readonly startedAt: number;
  readonly began: number;
  /** Tokens of each of `hash_ids`. */
  readonly blockTokens: number;
}

/** With its newline. */
export function recordLine(exchange: RecordedExchange, context: LineContext): string {
  const { decision, path, steering } = exchange;
  const fields = {
    timestamp: Math.max(0, Math.floor(exchange.decidedAt - context.startedAt)),
    ...promptFields(exchange, context),
    began: context.began,
    path,
    outcome: decision.kind,
    left: whyLeft(steering),
    ...(decision.kind === 'rejected' && { error: decision.error.kind }),
    ...(decision.kind === 'passed' && { model: decision.model }),
    ...(decision.kind === 'routed' && routedFields(decision)),
    decision_ms: rounded(exchange.decisionMs),
    ...answerFields(exchange),
    ...(exchange.tookMs !== undefined && { took_ms: rounded(exchange.tookMs) }),
  };
  return `${JSON.stringify(fields)}\n`;
}

function promptFields({ decision, blocks, sample }: RecordedExchange, { salt, blockTokens }: LineContext) {
  const tokens = decision.kind === 'routed' ? decision.tokens : undefined;
  const generated = sample?.usage?.generatedTokens;
  return {
    ...(tokens && { input_length: tokens.prompt }),
    ...(generated !== undefined && { output_length: generated }),
    ...(blocks && { hash_ids: salt.idsOf(blocks), block_tokens: blockTokens }),
    ...(tokens && { token_space: tokens.space }),
  };
}

function routedFields(decision: RoutedDecision) {
  const { model, pod, rank, strategy, reason, withoutTokens, arm, tokens } = decision;
  return {
    ...{ model, pod: pod.name, zone: pod.zone, rank, strategy: labelOf(strategy), reason, arm },
    without_tokens: withoutTokens,
    ...(tokens && {
      engine_block_tokens: tokens.blockSizeTokens,
      matched_tokens: decision.matchedBlocks * tokens.blockSizeTokens,
      predicted_tokens: tokens.gpu + tokens.cpu + tokens.storage,
      off_gpu_tokens: tokens.cpu + tokens.storage,
    }),
  };
}

function answerFields({ answer, sample }: RecordedExchange) {
  const { firstByteMs, usage } = sample ?? {};
  return {
    ...(answer && {
      status: answer.status,
      served_by: answer.servedBy ?? 'unknown',
      answered_ms: rounded(answer.answeredMs),
    }),
    ...(firstByteMs !== undefined && { first_byte_ms: rounded(firstByteMs) }),
    ...(usage && { prompt_tokens: usage.promptTokens, cached_tokens: usage.cachedTokens }),
  };
}

/** To a microsecond. */
function rounded(ms: number): number {
  return Math.round(1_000 * ms) / 1_000;
}
