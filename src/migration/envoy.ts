/** AIBrix's policies for Envoy, which stay: whether they are what Warmroute can work with. */
import { type Finding, finding } from './finding.ts';
import type { Gateway } from './gateway.ts';
import { bytesOf, type KubeObject, listAt, textAt } from './kube-object.ts';

export interface ReadEnvoy {
  /** Largest body that Envoy holds; undefined: no policy says it. */
  readonly maxBodyBytes: number | undefined;
  readonly findings: readonly Finding[];
}

const EXTENSION_POLICY = 'EnvoyExtensionPolicy';
const PATCH_POLICY = 'EnvoyPatchPolicy';
const CLIENT_POLICY = 'ClientTrafficPolicy';
/** By this name AIBrix's patch keeps ext_proc on for its route to `target-pod`. */
const FILTER_OF_POLICY = 'aibrix-gateway-plugins-extension-policy';
const DECISION_TIMEOUT_MS = 1_000;

export function readEnvoy(objects: readonly KubeObject[], { namespace }: Gateway): ReadEnvoy {
  const findings: Finding[] = [];
  const ofKind = (kind: string) => objects.filter(object => object.kind === kind);
  const policies = ofKind(EXTENSION_POLICY).filter(({ raw }) => extProcOf(raw).length > 0);
  for (const { name, raw } of policies) {
    for (const extProc of extProcOf(raw)) findings.push(...findingsOn(`${namespace}/${name}`, extProc));
  }
  if (
    policies.length > 0 &&
    ofKind(PATCH_POLICY).length > 0 &&
    !policies.some(({ name }) => name === FILTER_OF_POLICY)
  ) {
    const text = `is not there by this name: AIBrix’s ${PATCH_POLICY} turns ext_proc on for its route to target-pod by it`;
    findings.push(finding('first', `${EXTENSION_POLICY} ${FILTER_OF_POLICY}`, text));
  }
  const limits = ofKind(CLIENT_POLICY).flatMap(
    ({ raw }) => bytesOf(textAt(raw, 'spec', 'connection', 'bufferLimit')) ?? [],
  );
  return { maxBodyBytes: limits.length === 0 ? undefined : Math.min(...limits), findings };
}

function extProcOf(policy: unknown): readonly unknown[] {
  return listAt(policy, 'spec', 'extProc');
}

function findingsOn(about: string, extProc: unknown): Finding[] {
  const findings: Finding[] = [];
  const request = textAt(extProc, 'processingMode', 'request', 'body');
  if (request !== 'Buffered' && request !== 'FullDuplexStreamed') {
    findings.push(
      finding('first', about, `sends request bodies as ${request ?? 'none'}: the decision needs Buffered`),
    );
  }
  if (textAt(extProc, 'failOpen') !== 'true') {
    findings.push(
      finding(
        'kept',
        about,
        'fails closed, as before: without a router requests are answered 500. Warmroute runs two replicas',
      ),
    );
  }
  const timeoutMs = durationMs(textAt(extProc, 'messageTimeout'));
  if (timeoutMs !== undefined && timeoutMs < DECISION_TIMEOUT_MS) {
    findings.push(
      finding(
        'first',
        about,
        `waits ${timeoutMs} ms for the router: keep messageTimeout above WARMROUTE_DECISION_TIMEOUT_MS`,
      ),
    );
  }
  return findings;
}

/** Of Gateway API: `60s`, `1m30s`, `500ms`; undefined: it is none. */
function durationMs(text: string | undefined): number | undefined {
  if (text === undefined || !/^(\d+(h|m|s|ms))+$/.test(text)) return undefined;
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
  return [...text.matchAll(/(\d+)(ms|h|m|s)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit!]!,
    0,
  );
}
