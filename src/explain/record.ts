/** One decision as `GET /debug/decisions`, `POST /debug/route` and `warmroute explain --json` give it. */
import type { ClientError, Decision, Reason, WhyLeft, WithoutTokens } from '../domain.ts';

export interface DecisionRecord {
  /** The request id: `x-request-id` as Envoy or a client set it. Untrusted input. */
  readonly id: string;
  /** Where the request is traced. */
  readonly traceId?: string;
  /** ISO 8601, in milliseconds. */
  readonly at: string;
  /** One of a closed set, as `/v1/chat/completions`; `other` for what is in no table of ours. */
  readonly path: string;
  /** As the body names it; null: it does not, or was not read, or names none that is served. */
  readonly model: string | null;
  readonly outcome: Decision['kind'];
  /** Nothing of this was done: Envoy has balanced the request, since the router only looks on, or routes a share of the requests alone. */
  readonly left?: WhyLeft;
  /** Where it was rejected. */
  readonly error?: ClientError['kind'];
  /** As the request or the configuration has it, as `prefix-cache` or `prefix-cache:2,least-request`. This and what follows: where it was routed. */
  readonly strategy?: string;
  readonly reason?: Reason;
  readonly withoutTokens?: WithoutTokens;
  readonly pod?: string;
  readonly endpoint?: string;
  /** The data-parallel rank that is named to the engine. */
  readonly rank?: number;
  /** Pods that are tried next if that one does not answer. */
  readonly retries?: readonly string[];
  /** Of the prompt. */
  readonly tokens?: number;
  readonly blockSizeTokens?: number;
  readonly totalBlocks?: number;
  readonly matchedBlocks?: number;
  /** Of the matched blocks, those that are not on the pod's GPU. */
  readonly offGpu?: { readonly cpu: number; readonly storage: number };
  /** Best first; the winner is among them. */
  readonly candidates: readonly CandidateRecord[];
  /** Pods that were compared and are not listed. */
  readonly candidatesLeftOut: number;
  /** Each step of the policy in a sentence. */
  readonly policy: readonly string[];
  readonly stages: readonly StageRecord[];
  readonly tookMicroseconds: number;
  /** The beginning of the prompt's text, with `WARMROUTE_SHOW_PROMPTS=true` alone. Untrusted input. */
  readonly prompt?: string;
  /** Once the answer has begun, where Envoy shows it. */
  readonly served?: ServedRecord;
}

export interface CandidateRecord {
  readonly pod: string;
  readonly endpoint: string;
  readonly health: string;
  /** Requests in flight, without this one. */
  readonly running: number;
  /** Of a prompt without tokens: recognized turns. */
  readonly matchedBlocks: number;
  readonly totalBlocks: number;
  readonly cpu: number;
  readonly storage: number;
  /** What the policy compares: the matched percent, a weighted sum, what an engine says of itself, or the load. null: nothing, or nothing is known. */
  readonly score: number | null;
  /** What each member of a weighted list gives; share from 0 to 1. */
  readonly shares?: readonly {
    readonly strategy: string;
    readonly weight: number;
    readonly share: number;
  }[];
  /** A few words on why it won or lost. */
  readonly verdict: string;
}

export interface StageRecord {
  /** `hash` is a part of `match`. */
  readonly stage: 'parse' | 'tokenize' | 'match' | 'hash' | 'decide';
  readonly microseconds: number;
}

export interface ServedRecord {
  /** 0: Envoy does not show it. */
  readonly status: number;
  /** Its name; its address, or `unknown`, where it is no pod that is known. */
  readonly pod: string;
  /** From when the decision was asked for until the answer’s headers came, which engines send before the first token of a stream. */
  readonly answeredMs: number;
}
