/** All that is checked of one pod. */
import type { Finding } from '../finding.ts';
import { checkAccess } from './check-access.ts';
import { checkBlocks } from './check-blocks.ts';
import { checkEventPorts, checkEvents } from './check-events.ts';
import { checkHttp } from './check-http.ts';
import { checkIdentity } from './check-identity.ts';
import { checkNames } from './check-names.ts';
import { checkRanks } from './check-ranks.ts';
import { checkReplay } from './check-replay.ts';
import { checkParity, checkTokens } from './check-tokens.ts';
import type { PodExpectations, PodFacts } from './pod-facts.ts';

export type PodCheck = (facts: PodFacts, expected: PodExpectations) => readonly Finding[];

const POD_CHECKS: readonly PodCheck[] = [
  checkHttp,
  checkAccess,
  checkIdentity,
  checkNames,
  checkEventPorts,
  checkRanks,
  checkEvents,
  checkReplay,
  checkBlocks,
  checkTokens,
  checkParity,
];

export function findingsOfPod(facts: PodFacts, expected: PodExpectations): Finding[] {
  return POD_CHECKS.flatMap(check => check(facts, expected));
}
