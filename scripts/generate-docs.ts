/** Writes docs/configuration.md, docs/doctor.md and docs/metrics-families.md from their tables: `npm run generate`. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { SETTINGS, type Setting, WITHOUT_EFFECT } from '../src/settings/settings.ts';
import { DOCTOR_PAGE, doctorPage } from './doctor-page.ts';
import { METRIC_FAMILIES_PAGE, metricFamiliesPage } from './metric-families-page.ts';

export const CONFIGURATION_PAGE = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

const GROUPS: readonly { readonly group: Setting<unknown>['group']; readonly about: string }[] = [
  { group: 'Warmroute', about: 'Our own.' },
  {
    group: 'AIBrix',
    about:
      'With the names, meanings and defaults of AIBrix; [below](#differences-from-aibrix) is what differs. ' +
      'Where two names stand in one row, either will do; if both are set they must agree.',
  },
  {
    group: 'Hugging Face',
    about:
      'The standard variables of the model hub’s own clients, with their meanings. In force with `WARMROUTE_TOKENIZER_HUB=true`: ' +
      '[tokenizing.md](tokenizing.md).',
  },
  {
    group: 'OpenTelemetry',
    about:
      'With the standard names and meanings. Where two names stand in one row, the first wins. ' +
      'Metrics need no setting: they are scraped from `/metrics`.',
  },
];

/** The text of docs/configuration.md. */
export function configurationPage(): string {
  const groups = GROUPS.map(({ group, about }) => `### ${group}\n\n${about}\n\n${tableOf(group)}`);
  return `${[INTRODUCTION, '## Settings', ...groups, withoutEffect(), DIFFERENCES, PODS_FILE, PROCESS, ENVOY].join('\n\n')}\n`;
}

function tableOf(wanted: Setting<unknown>['group']): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS)
    .filter(({ group }) => group === wanted)
    .map(({ names, fallback, unit, purpose }) =>
      row([names.map(code).join('<br>'), fallback ? code(fallback) : '–', unit, purpose]),
    );
  return [row(['Name', 'Default', 'Unit', 'Meaning']), row(['---', '---', '---', '---']), ...rows].join('\n');
}

function withoutEffect(): string {
  const lines = WITHOUT_EFFECT.map(({ name, why }) => `- ${code(name)}: ${why}`);
  return [
    '### Accepted without effect',
    '',
    'Settings of AIBrix that have nothing to steer here. Setting them is no mistake; those that are set are named once in the log at the start.',
    '',
    ...lines,
  ].join('\n');
}

const code = (text: string) => `\`${text}\``;
const row = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;

const [remoteTokenizer, remoteTokenizerInAibrix] = SETTINGS.useRemoteTokenizer.names.map(code);
const [kvEventSync, kvEventSyncInAibrix] = SETTINGS.kvEventSync.names.map(code);
const podsFile = code(SETTINGS.podsFile.names[0]);
const discovery = code(SETTINGS.discovery.names[0]);

const INTRODUCTION = `<!-- Generated from src/settings/settings.ts by \`npm run generate\`. Do not edit. -->

# Configuration

Environment variables say how the router works, the [pods file](#the-pods-file) says which engines there are. An empty
variable counts as unset. Everything is read and checked at start, and all mistakes are reported at once:

\`\`\`sh
warmroute check-config   # prints the configuration in force, or every mistake in it; exit code 1 on mistakes
\`\`\`

\`warmroute serve\` needs to know where pods are known from, and nothing else: ${podsFile}, or ${discovery}.

## The modes

Two switches choose where tokens come from and what the router believes about the engines' caches.

| ${remoteTokenizer} | ${kvEventSync} | Tokens | What a pod holds is known from |
| --- | --- | --- | --- |
| \`false\` | \`false\` | the local tokenizer | what was routed where |
| \`true\` | \`false\` | the engines; the local tokenizer where they do not answer | what was routed where |
| \`true\` | \`true\` | the engines | the engines' KV-cache events, and for a moment what was routed where |
| \`false\` | \`true\` | the router, with \`${SETTINGS.tokenizer.names[0]}\` \`auto\` or \`local\`; else refused | the engines' KV-cache events, and for a moment what was routed where |

Without the engines' tokens the last row is refused at start, with a message that names the settings: engines announce blocks in their
own tokens, so without these no request would ever match one. The router makes them itself by a model's tokenizer files
([tokenizing.md](tokenizing.md)), in every row, in front of what the row says. ${remoteTokenizerInAibrix}
and ${kvEventSyncInAibrix}, as AIBrix spells them now, mean the same.

Tokens of the local tokenizer and of the engines are never compared with each other.`;

const DIFFERENCES = `### Differences from AIBrix

- \`ROUTING_ALGORITHM\` unset is \`prefix-cost\` with KV-cache events, and \`prefix-cache\`, AIBrix's own decision, without them; set
  \`prefix-cache\` to have that with events, too. In AIBrix a request without a strategy is left to a
  route per model, which a controller there creates; \`${SETTINGS.unsetStrategy.names[0]}=pass\` does the same.
- When a prompt cannot be tokenized, the request is routed by load, and counted
  (\`aibrix_prefix_cache_routing_errors_total{reason="tokenize_failed"}\`). AIBrix answers 503: a broken tokenizer would
  take healthy engines out of service.
- \`AIBRIX_VLLM_TOKENIZER_ENDPOINT_TEMPLATE\` is unset, which means each pod's own port. AIBrix uses \`http://%s:8000\`
  whatever the port is.
- \`AIBRIX_PREFIX_CACHE_BLOCK_SIZE\` is in force without KV-cache events only. With them the size comes from the events:
  one that differs from the engine's, as AIBrix allows, matches in part or not at all.
- \`AIBRIX_GRPC_MAX_MESSAGE_SIZE_BYTES\` is raised to what \`${SETTINGS.maxBodyBytes.names[0]}\` needs: Envoy sends a request's
  body in one message.
- \`AIBRIX_TOKENIZER_REQUEST_TIMEOUT\` takes whole seconds, \`5\`, and Go's durations, \`5s\`, \`500ms\`, \`1m30s\`. AIBrix documents the
  second form, and makes 158 years of \`5s\`.
- Not here: rate limits, Redis and API keys. With \`AIBRIX_AUTH_BEARER_TOKEN\` set the program refuses to start, so that
  nobody loses that check unnoticed: let Envoy check keys (\`api_key_auth\`, \`jwt_authn\`, \`ext_authz\` or an Envoy
  Gateway SecurityPolicy).`;

const PODS_FILE = `## The pods file

YAML or JSON. For example:

\`\`\`yaml
pods:
  - name: engine-0                # unique, without spaces and "/"
    address: 10.0.0.5             # IPv4, IPv6 without brackets, or a host name
    port: 8000                    # of the OpenAI API
    model: Qwen/Qwen3-8B          # the base model, as requests name it
    aliases: [qwen3, my-lora]     # optional: further names, LoRA adapters among them
    kvEvents:                     # optional: none means that the pod announces nothing
      port: 5557                  # ZeroMQ PUB of rank 0; rank r is on port + r
      replayPort: 5558            # optional: ZeroMQ ROUTER of rank 0; rank r is on replayPort + r
      ranks: 1                    # optional: data-parallel ranks, 1 if absent
    labels: { team: a }           # optional
    tokenizer: /models/qwen3      # optional: the directory of its tokenizer files, or relative to this file; docs/tokenizing.md
    zone: eu-1a                   # optional: or the label topology.kubernetes.io/zone; docs/policies.md, Zones
  - name: engine-1
    address: engine-1.default.svc.cluster.local
    port: 8000
    model: Qwen/Qwen3-8B
\`\`\`

A host name that resolves to several addresses, such as a headless Kubernetes Service, is one pod per address, named
\`name/address\`. Names are resolved again every \`${SETTINGS.dnsRefreshMs.names[0]}\`; one that stops resolving keeps its last
addresses.

\`kvEvents: auto\` asks the engine itself (\`GET /kv_event_sources\`, since vLLM 0.31): its ranks and ports need not be
written down, and may be others after a restart. An engine that cannot say is named in the log, and is not followed.

The file is followed: a change is in force within about a second, whether the file was written in place, replaced by
rename or updated by Kubernetes as a mounted ConfigMap.

- A pod that left gets no more requests, and what was known of its cache is forgotten at once. Requests under way on it
  go on.
- A pod whose address, port, model or event ports changed has left, and another has joined. A change of \`aliases\`,
  \`labels\`, \`tokenizer\` or \`zone\` alone keeps what is known.
- One mistake makes the whole file invalid. At start that ends the program, with all mistakes named; later the last good
  file stays in force, the mistakes are logged and \`warmroute_pod_discovery_problems_total\` counts them.
- It may have 8 MiB, 20,000 pods, 256 aliases and 64 labels a pod, and may take 15 s and 768 MB to parse. A file that does not answer
  for 5 s (a dead mount, a pipe that nobody writes to) counts as unreadable, and is tried again.
- An address where no engine can be (a cloud's metadata service, link-local, multicast, unspecified, broadcast) is warned of, in the
  log and by \`check-config\`, and used. A host name that resolves to one is warned of in the log.
- With no pods at all (\`pods: []\`) the router runs, and is not ready.`;

const PROCESS = `## Log and exit

The log goes to standard output, one JSON object a line. When that is full, not read or closed, requests go on: up to 4 MiB wait,
further lines are dropped and counted (\`warmroute_log_lines_dropped_total\`), and when it takes lines again one of them says how many
were dropped. Of more than 20 pods that join or leave at once the log has their numbers; their names are at level \`debug\`.

| signal | the process |
| --- | --- |
| SIGTERM or SIGINT while it starts | ends at once, exit code 0 |
| SIGTERM or SIGINT while it serves | drains (\`WARMROUTE_DRAIN_MS\`), exit code 0 |
| a second one | ends at once: by that signal, or with 128 + its number as PID 1 of a container |
| a mistake in the configuration, a port that is taken | ends with one line for each on standard error, exit code 1 |`;

const ENVOY = `## What must agree with Envoy

| Envoy | Here | Why |
| --- | --- | --- |
| \`per_connection_buffer_limit_bytes\` of the listener | equal to \`${SETTINGS.maxBodyBytes.names[0]}\` | Envoy holds a whole request body while the router decides and answers 413 above its limit, which is 1 MiB by default |
| \`message_timeout\` of the filter | above \`${SETTINGS.decisionTimeoutMs.names[0]}\` | otherwise Envoy gives up first: with \`failure_mode_allow\` the request goes anywhere, and its load is not counted |
| \`health_checks\` of the router's cluster | \`interval\` × \`unhealthy_threshold\` below \`${SETTINGS.drainMs.names[0]}\` | so that nothing is sent to a router that is about to stop |
| \`processing_mode\` | request headers \`SEND\`, request body \`BUFFERED\` or \`FULL_DUPLEX_STREAMED\` | the decision needs the body |

The configurations in \`envoy/\` are set up so.`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(CONFIGURATION_PAGE, configurationPage());
  await writeFile(METRIC_FAMILIES_PAGE, metricFamiliesPage());
  await writeFile(DOCTOR_PAGE, doctorPage());
}
