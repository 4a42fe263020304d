import { stringify } from 'yaml';
import { printable } from '../printable.ts';
import type { Finding } from './finding.ts';
import type { Migration } from './migrate.ts';

const HEADINGS: Readonly<Record<Finding['weight'], string>> = {
  first: 'SEE TO THESE BEFORE THE SWAP',
  differs: 'Differs from AIBrix',
  dropped: 'Not taken over',
  kept: 'As before',
};

const WIDTH = 116;

/** Values for `helm install -f`, with all that will differ as comments before them. */
export function migrationReport({ gateway, values, findings, swap }: Migration): string {
  const { namespace, name, image } = gateway;
  const lines = [
    `Warmroute in the place of ${namespace}/${name} (${image}).`,
    '',
    `  helm install warmroute deploy/helm/warmroute -n ${namespace} -f values.yaml`,
    `  kubectl -n ${namespace} patch service ${swap.service} --patch-file deploy/aibrix/${swap.file}`,
    '',
    'docs/migrating-from-aibrix.md has every step, the way back, and the reasons for what differs.',
  ];
  for (const weight of Object.keys(HEADINGS) as Finding['weight'][]) {
    const of = findings.filter(each => each.weight === weight);
    if (of.length === 0) continue;
    lines.push('', `${HEADINGS[weight]}:`, ...grouped(of).flatMap(wrapped));
  }
  const comment = lines.map(line => `# ${printable(line)}`.trimEnd()).join('\n');
  return `${comment}\n${stringify(values, { lineWidth: 0 })}`;
}

/** One entry for all of which the same is said. */
function grouped(findings: readonly Finding[]): string[] {
  const abouts = new Map<string, Set<string>>();
  for (const { about, text } of findings) abouts.set(text, (abouts.get(text) ?? new Set()).add(about));
  return [...abouts].map(([text, of]) => `- ${[...of].join(', ')}: ${text}`);
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= WIDTH) {
      lines.push(line);
      line = ' ';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}
