/** Whether prompts get the engine's tokens, and the blocks of a prompt are found again among what the engine announces. */
import { type Finding, ok, skip } from '../finding.ts';
import type { PodExpectations, PodFacts, PromptFacts } from './pod-facts.ts';
import { podProblem } from './problems.ts';

const BY = { render: 'its render endpoint', tokenize: '/tokenize' } as const;

export function checkTokens(
  { tokens, health, pod, profile }: PodFacts,
  { decisionTimeoutMs }: PodExpectations,
): Finding[] {
  if (tokens.kind === 'local')
    return [skip('tokens', 'prompts are tokenized locally (AIBRIX_USE_REMOTE_TOKENIZER is off)')];
  if (health.kind !== 'answered') return [];
  const { names, adapters } = profile.models ?? { names: [pod.model], adapters: [] };
  if (![...names, ...adapters].includes(pod.model)) return [skip('tokens', 'it does not serve the model')];
  const findings = tokens.answers.map(({ path, outcome }) => {
    if (outcome.kind === 'none') return skip('tokens', `${path}: none (${outcome.why})`);
    const { by, ids, tookMs } = outcome;
    return ok('tokens', `${path}: by ${BY[by]}, ${ids.length} tokens within ${Math.round(tookMs)} ms`);
  });
  // The first one may have waited for a connection.
  const tookMs = tokens.answers.flatMap(({ outcome }) => (outcome.kind === 'tokens' ? [outcome.tookMs] : []));
  if (tookMs.length === 0) {
    const whys = tokens.answers.map(
      ({ path, outcome }) => `${path}: ${outcome.kind === 'none' ? outcome.why : ''}`,
    );
    return [podProblem('tokens_none', whys.join('; ') || 'nothing was asked')];
  }
  const fastest = Math.min(...tookMs);
  if (fastest <= decisionTimeoutMs / 2) return findings;
  const saw = `${Math.round(fastest)} ms at the least; a decision has ${decisionTimeoutMs} ms`;
  return [...findings, podProblem('tokens_slow', saw)];
}

export function checkParity({ events, prompts }: PodFacts): Finding[] {
  if (events.kind !== 'followed') return [];
  if (prompts.length === 0) return [skip('parity', 'no prompt was sent whose blocks could be compared')];
  const batches = events.ranks.reduce((sum, rank) => sum + rank.batches, 0);
  return prompts.map(facts => parity(facts, batches));
}

/** @param heard batches of the pod, whatever they were about: that there are none is said by `checkEvents` */
function parity({ path, outcome }: PromptFacts, heard: number): Finding {
  switch (outcome.kind) {
    case 'found': {
      const { tokens, blocks, blockSizeTokens, rank, afterMs } = outcome;
      return ok(
        'parity',
        `${path}: the ${blocks} blocks (of ${blockSizeTokens} tokens) of a prompt of ${tokens} tokens came from rank ${rank} ${afterMs} ms after its answer, and are found`,
      );
    }
    case 'not_comparable':
      return skip('parity', `${path}: ${outcome.why}`);
    case 'refused':
      return podProblem('prompt_refused', `${path}: ${outcome.why}`);
    case 'differs': {
      const { at, ours, theirs } = outcome;
      return podProblem(
        'tokens_differ',
        `${path}: token ${at} is ${ours} when it is tokenized, and ${theirs} in its events`,
      );
    }
    case 'not_understood':
      return podProblem('chain_unknown', `${path}: of its events: ${outcome.what}`);
    case 'unannounced': {
      const { batches, waitedMs } = outcome;
      const waited = `within ${waitedMs} ms after the answer`;
      return heard === 0
        ? skip('parity', `${path}: nothing was announced ${waited}`)
        : podProblem('prompt_unannounced', `${path}: ${batches} batches ${waited}, and none has its blocks`);
    }
  }
}
