/** What is kept of decisions, and shown. */
import type { Config } from '../config.ts';
import { DecisionLog } from '../explain/decision-log.ts';
import { tellDecision } from '../explain/tell.ts';

export function createDecisionLog(config: Config): DecisionLog {
  return new DecisionLog({ tell: decision => tellDecision(decision, config) });
}
