/** docs/helm.md from the chart's values and their comments. */
import type { Described } from './values.ts';

export function helmPage(values: readonly Described[]): string {
  return `${[INTRODUCTION, '## Values', table(values), AGREEMENTS].join('\n\n')}\n`;
}

const INTRODUCTION = `<!-- Generated from deploy/helm/warmroute/values.yaml by \`npm run generate\`. Do not edit. -->

# The Helm chart

\`\`\`sh
helm install warmroute deploy/helm/warmroute --namespace llm --create-namespace \\
  --set image.repository=registry.example.com/warmroute
\`\`\`

[deploying.md](deploying.md) goes from an empty cluster to a warm hit. Without Helm there are [rendered manifests](../deploy/kubernetes).

The values have a schema: a misspelt one, or one of the wrong kind, fails \`helm lint\`, \`helm template\` and \`helm install\`. That holds
for Warmroute's own settings as well, which stand in \`config\` by the names that [configuration.md](configuration.md) has.

\`\`\`yaml
config:
  WARMROUTE_DISCOVERY: kubernetes
  WARMROUTE_KUBERNETES_NAMESPACES: team-a,team-b
  WARMROUTE_MAX_BODY_BYTES: 67108864
  AIBRIX_USE_REMOTE_TOKENIZER: true
\`\`\``;

const AGREEMENTS = `## What the chart makes agree

| value | follows |
| --- | --- |
| \`WARMROUTE_DISCOVERY\`, unless \`config\` has it | \`pods\`, \`inferencePool.create\`, \`WARMROUTE_INFERENCE_POOL\`; without any of them \`kubernetes\` |
| \`terminationGracePeriodSeconds\` | \`WARMROUTE_DRAIN_MS\` + \`WARMROUTE_DRAIN_BODIES_MS\` + 10 s; a lower one is refused |
| ports of the container, of probes and of the NetworkPolicy | \`WARMROUTE_GRPC_ADDRESS\`, \`WARMROUTE_ADMIN_ADDRESS\`, \`WARMROUTE_HEALTH_ADDRESS\` |
| Role, ClusterRole, ServiceAccount token | \`WARMROUTE_DISCOVERY\`, \`WARMROUTE_KUBERNETES_NAMESPACES\`, \`WARMROUTE_INFERENCE_POOL\` |
| \`WARMROUTE_UNSAID_BODY_MODE\`, unless \`config\` has it | \`FULL_DUPLEX_STREAMED\` where an InferencePool is followed: gateways that do not say how they send bodies stream them |
| \`messageTimeout\` of the EnvoyExtensionPolicy | \`WARMROUTE_DECISION_TIMEOUT_MS\` + 200 ms |
| \`bufferLimit\` of the ClientTrafficPolicy | \`WARMROUTE_MAX_BODY_BYTES\` |

An InferencePool is dialled with TLS by most gateways, which is why \`WARMROUTE_TLS\` is \`self-signed\` where one is followed. The kubelet asks the admin
port, which is plain HTTP in any case.

The chart does not serve engines that dial (\`WARMROUTE_KV_EVENTS_BIND\`): each replica has to hear each engine, and a Service leads to one of them.`;

function table(values: readonly Described[]): string {
  const rows = values.flatMap(value => rowsOf('', value));
  return [row(['Value', 'Default', 'Meaning']), row(['---', '---', '---']), ...rows].join('\n');
}

function rowsOf(prefix: string, { name, description, fallback, members }: Described): string[] {
  const path = `${prefix}${name}`;
  const own = row([code(path), members.length > 0 ? '' : code(JSON.stringify(fallback)), description]);
  return [own, ...members.flatMap(member => rowsOf(`${path}.`, member))];
}

const code = (text: string) => `\`${text}\``;
const row = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
