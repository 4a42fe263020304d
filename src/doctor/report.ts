/** The findings as people and programs read them. What strangers have said is made harmless here, whoever wrote the line. */
import { printable } from '../printable.ts';
import type { Finding, Section, Status } from './finding.ts';

export type Counts = Readonly<Record<Status, number>>;

const TITLES: Readonly<Record<Section['kind'], string>> = {
  discovery: 'pods by',
  pod: 'pod',
  fleet: 'all pods together',
  envoy: 'Envoy',
  router: 'router',
};
const MAX_LINE = 600;

export function countsOf(sections: readonly Section[]): Counts {
  const counts = { ok: 0, warn: 0, fail: 0, skip: 0 };
  for (const { findings } of sections) for (const { status } of findings) counts[status]++;
  return counts;
}

/** One line per finding, what to do below it; the last line is the summary. */
export function textReport(sections: readonly Section[]): string {
  const all = sections.flatMap(({ findings }) => findings);
  const width = Math.max(0, ...all.map(finding => nameOf(finding).length));
  const lines = sections
    .filter(({ findings }) => findings.length > 0)
    .flatMap(section => [
      titleOf(section),
      ...section.findings.flatMap(finding => linesOf(finding, width)),
      '',
    ]);
  const { ok, warn, fail, skip } = countsOf(sections);
  return [...lines, `${ok} ok, ${warn} warn, ${fail} fail, ${skip} skip`].join('\n');
}

/** The fields are stable: docs/doctor.md. */
export function jsonReport(sections: readonly Section[]): string {
  const counts = countsOf(sections);
  const report = {
    verdict: counts.fail > 0 ? 'fail' : 'ok',
    counts,
    sections: sections.map(({ kind, name, detail, findings }) => ({
      ...{ kind, name: printable(name, MAX_LINE), detail: printable(detail, MAX_LINE) },
      findings: findings.map(finding => ({
        ...{ status: finding.status, check: finding.check },
        ...('problem' in finding && { problem: finding.problem }),
        saw: printable(finding.saw, MAX_LINE),
        ...('problem' in finding && { do: finding.advice }),
      })),
    })),
  };
  return JSON.stringify(report, null, 2);
}

function titleOf({ kind, name, detail }: Section): string {
  const title = [TITLES[kind], name].filter(Boolean).join(' ');
  return printable(detail === '' ? title : `${title} (${detail})`, MAX_LINE);
}

function linesOf(finding: Finding, width: number): string[] {
  const { status, saw } = finding;
  const line = `  ${status.padEnd(4)}  ${nameOf(finding).padEnd(width)}  ${printable(saw, MAX_LINE)}`;
  return 'problem' in finding ? [line, `${' '.repeat(8)}${finding.advice}`] : [line];
}

function nameOf(finding: Finding): string {
  return 'problem' in finding ? finding.problem : finding.check;
}
