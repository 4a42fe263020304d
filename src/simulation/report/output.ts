import { pageOf } from './page.ts';
import { bars, shares } from './plots.ts';
import { csvOf, jsonOf, type PolicyResult, type Results } from './results.ts';
import { writeFiles } from './write-files.ts';

/** Writes the numbers (JSON, CSV), the plots (SVG) and a page with all of them into a folder, which is made. Returns the files' paths. */
export function writeOutput(directory: string, results: Results): Promise<readonly string[]> {
  const plots = plotsOf(results);
  return writeFiles(directory, {
    'results.json': jsonOf(results),
    'results.csv': csvOf(results),
    ...plots,
    'index.html': pageOf(results, Object.values(plots)),
  });
}

function plotsOf({ runs }: Results): Readonly<Record<string, string>> {
  const seeds = new Set(runs.map(({ seed }) => seed));
  const labelled = runs.map(run => ({
    run,
    label: seeds.size === 1 ? run.policy : `${run.policy}, seed ${run.seed}`,
  }));
  const barsOf = (value: (run: PolicyResult) => number) =>
    labelled.map(({ run, label }) => ({ label, value: value(run) }));
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  return {
    'first-token.svg': shares(
      { title: 'Requests that have their first token', axis: 'seconds since they arrived' },
      labelled.map(({ run, label }) => ({
        label,
        points: run.firstTokenPercentilesMs.map((ms, percent) => [ms / 1_000, percent / 100] as const),
      })),
    ),
    'first-token-mean.svg': bars(
      { title: 'Time to first token, mean', axis: 'seconds' },
      ...[barsOf(({ firstTokenMs }) => firstTokenMs.mean / 1_000), seconds],
    ),
    'first-token-p99.svg': bars(
      { title: 'Time to first token, 99th percentile', axis: 'seconds' },
      ...[barsOf(({ firstTokenMs }) => firstTokenMs.p99 / 1_000), seconds],
    ),
    'hit-rate.svg': bars(
      { title: 'Prompt tokens from the cache, of those that could be', axis: 'per cent' },
      barsOf(({ hitRateOfReachable }) => 100 * hitRateOfReachable),
      value => `${value.toFixed(1)} %`,
    ),
  };
}
