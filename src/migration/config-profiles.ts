import { SETTINGS } from '../settings/settings.ts';
import { type Finding, finding } from './finding.ts';
import { recordAt, textAt } from './kube-object.ts';

/** AIBrix's annotation with routing settings of a model. */
export const PROFILES = 'model.aibrix.ai/config';

/** @param text what the annotation of a pod says */
export function profileFindings(about: string, text: string): Finding[] {
  const note = (weight: Finding['weight'], words: string) => finding(weight, `${about} ${PROFILES}`, words);
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return [note('first', 'is no JSON')];
  }
  const profiles = Object.entries(recordAt(config, 'profiles'));
  const locked = textAt(config, 'lockedRoutingStrategy');
  const strategies = new Set([locked, ...profiles.map(([, profile]) => textAt(profile, 'routingStrategy'))]);
  strategies.delete(undefined);
  const findings = [
    note(
      'first',
      `config profiles are not read: ${quoted([...strategies])} would not be used. Set ROUTING_ALGORITHM, or have clients or routes send the header routing-strategy`,
    ),
  ];
  for (const strategy of strategies) {
    const refused = strategyRefused(strategy!);
    if (refused !== undefined) findings.push(note('first', refused));
  }
  if (profiles.some(([, profile]) => Number(textAt(profile, 'requestsPerSecond')) > 0)) {
    findings.push(
      note(
        'dropped',
        'requestsPerSecond: rates are not limited here; Envoy Gateway’s BackendTrafficPolicy can',
      ),
    );
  }
  return findings;
}

/** Why a strategy would be answered 400; undefined: it is taken. */
function strategyRefused(strategy: string): string | undefined {
  const { error } = SETTINGS.strategy.read.safeParse(strategy);
  return (
    error &&
    `the strategy ${strategy.slice(0, 80)} is answered 400: ${error.issues.map(({ message }) => message).join('; ')}`
  );
}

const quoted = (texts: readonly unknown[]) =>
  texts.length === 0 ? 'what they say' : texts.join(', ').slice(0, 200);
