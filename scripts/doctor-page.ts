/** The text of docs/doctor.md, from the tables of what `warmroute doctor` can find. */
import { fileURLToPath } from 'node:url';
import type { Problem } from '../src/doctor/finding.ts';
import { PROBLEMS } from '../src/doctor/problems.ts';

export const DOCTOR_PAGE = fileURLToPath(new URL('../docs/doctor.md', import.meta.url));

const GROUPS: Readonly<Record<keyof typeof PROBLEMS, string>> = {
  discovery: 'Where pods are known from',
  pods: 'Pods',
  envoy: 'Envoy',
  router: 'The running router',
};

export function doctorPage(): string {
  const groups = (Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[]).map(
    group => `### ${GROUPS[group]}\n\n${tableOf(PROBLEMS[group])}`,
  );
  return `${[INTRODUCTION, ...groups, CHECKS].join('\n\n')}\n`;
}

const row = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;

function tableOf(problems: Readonly<Record<string, Problem>>): string {
  const rows = Object.entries(problems).map(([name, { status, check, means, advice }]) =>
    row([`\`${name}\``, status, `\`${check}\``, means, sentence(advice)]),
  );
  return [
    row(['Problem', '', 'Check', 'What it means', 'What to do']),
    row(['---', '---', '---', '---', '---']),
    ...rows,
  ].join('\n');
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

const INTRODUCTION = `<!-- Generated from src/doctor/ by \`npm run generate\`. Do not edit. -->

# Doctor

\`warmroute doctor\` looks at what most often is wrong in the field, where nothing fails and requests are served cold. It takes the
environment of \`warmroute serve\`, finds the same pods in the same way, and says in one line each what it has seen, and what to do.

\`\`\`sh
warmroute doctor                                        # pods, and the router that runs
warmroute doctor --envoy http://127.0.0.1:9901          # and Envoy, by its admin port
curl -s http://127.0.0.1:9901/config_dump >envoy.json   # or by what that has said
warmroute doctor --envoy-config-dump envoy.json
kubectl -n llm exec deploy/warmroute -- node dist/main.js doctor    # in a cluster: as the router sees it
\`\`\`

| option | |
| --- | --- |
| \`--pod NAME\` | this pod alone; may be given several times |
| \`--envoy URL\`, \`--envoy-config-dump FILE\` | Envoy's configuration; without them Envoy is not looked at |
| \`--admin URL\` | the admin port of the running router; by default the configured one, which is skipped where nothing listens |
| \`--no-completion\` | send no prompts, see below |
| \`--timeout SECONDS\` | for all of it, 60 by default; what is not done by then is said not to have been looked at |
| \`--json\` | the same as JSON |

Exit code: 0 nothing fails, though there may be warnings; 1 something fails; 2 nothing could be looked at: the configuration is not valid,
or no pod is known.

## What it does to engines

It asks each pod for pages that engines serve anyway, connects to its event and replay ports beside the router, and takes no port of its
own. **It sends two prompts to each pod**, a chat and a text of some eighty words chosen at random (more where blocks are large), with
\`max_tokens: 1\`: nothing but the blocks of a prompt that an engine announces shows that its tokens are those by which the router looks
prompts up. A \`cache_salt\` of their own keeps them apart from what others have cached. \`--no-completion\` leaves them out, and with them
that comparison. Of its replay it asks for the last batch that came live, or for one behind the last.

Keys and prompts are never printed. What engines and Envoy answer is read within bounds of time and bytes, and printed without control
characters. Sixteen pods are looked at at a time.

Not looked at: engines that dial the router (\`WARMROUTE_KV_EVENTS_BIND\`), since its port is its own, as far as their events are concerned;
and Envoy's configuration of single routes that changes the filter's (\`ExtProcPerRoute.overrides\`).

## Lines

\`ok\`: as it has to be. \`warn\`: it works, and less well, or less safely, than it could. \`fail\`: requests are lost, or served cold. \`skip\`:
it was not looked at, and why. Below \`warn\` and \`fail\` stands what to do. The name in the line is that of the problem, or of the check
where there is none.

\`--json\` has the fields \`verdict\` (\`ok\` or \`fail\`), \`counts\` (by status) and \`sections\`: each with \`kind\` (\`discovery\`, \`pod\`, \`fleet\`,
\`envoy\`, \`router\`), \`name\`, \`detail\` and \`findings\`, and these with \`status\`, \`check\`, \`saw\`, and of problems \`problem\` and \`do\`. The
names of checks and problems are stable; \`saw\`, \`detail\` and \`do\` are for people.

## Problems`;

const CHECKS = `## What has to agree, and what need not

Engines' own hashes of blocks are opaque to Warmroute: it hashes the tokens that they announce. So \`PYTHONHASHSEED\`,
\`--prefix-caching-hash-algo\` and block sizes may differ from pod to pod, and the seeds of several routers, too. What has to be the same at
all pods of one model is how they tokenize: the model's revision, its tokenizer, the chat template (\`agreement\`). Hashes have to agree where
engines share a cache of their own, as with LMCache, or hand blocks over from prefill to decode; Warmroute does not look into that.`;
