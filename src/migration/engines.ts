/** Engines' workloads as AIBrix's labels, annotations and their own commands describe them. */
import { PROFILES, profileFindings } from './config-profiles.ts';
import { type CacheSource, eventFindings } from './engine-events.ts';
import { type EngineTemplate, templatesIn } from './engine-templates.ts';
import { type Finding, finding } from './finding.ts';
import { type KubeObject, listAt } from './kube-object.ts';

export interface ReadEngines {
  readonly engines: readonly EngineTemplate[];
  readonly findings: readonly Finding[];
}

export function readEngines(objects: readonly KubeObject[], source: CacheSource): ReadEngines {
  // A ReplicaSet or a pod repeats what its owner's manifest says.
  const owned = (object: KubeObject) => listAt(object.raw, 'metadata', 'ownerReferences').length > 0;
  const engines = objects.flatMap(object => (owned(object) ? [] : templatesIn(object)));
  const findings = engines.flatMap(engine => findingsOn(engine, source));
  for (const { kind, name, namespace } of objects) {
    const about = `${namespace}/${name}`;
    if (kind === 'ModelClaim') {
      findings.push(
        finding('dropped', about, 'engines that sleep are not woken by a request for their model'),
      );
    } else if (kind === 'ModelAdapter') {
      findings.push(finding('kept', about, 'its adapter is found on the pods by GET /v1/models'));
    }
  }
  return { engines, findings };
}

function findingsOn(engine: EngineTemplate, source: CacheSource): Finding[] {
  const { about, role, command, environment, annotations } = engine;
  const findings: Finding[] = [...eventFindings(engine, source)];
  const note = (weight: Finding['weight'], text: string) => findings.push(finding(weight, about, text));
  if (role !== undefined) {
    note(
      'first',
      `is a ${role} engine: prefill and decode are not routed apart, and requests would go to either. Leave this model with AIBrix, or give it engines that do both`,
    );
  }
  if (/--api-key\b/.test(command) || environment.includes('VLLM_API_KEY')) {
    note(
      'first',
      'wants an API key: Warmroute asks it for tokens with the one in WARMROUTE_ENGINE_API_KEY_FILE',
    );
  }
  if (/--no-enable-prefix-caching\b|--disable-radix-cache\b/.test(command)) {
    note('first', 'has no prefix cache: nothing is gained by routing to it by prefix');
  }
  if (annotations[PROFILES] !== undefined) findings.push(...profileFindings(about, annotations[PROFILES]));
  return findings;
}
