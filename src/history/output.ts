import { escaped } from '../simulation/report/markup.ts';
import { htmlPage, htmlTable } from '../simulation/report/page.ts';
import { bars, type Curve, shares, sharesOverTime } from '../simulation/report/plots.ts';
import { jsonOf } from '../simulation/report/results.ts';
import { writeFiles } from '../simulation/report/write-files.ts';
import type { History, ModelHistory } from './history.ts';
import { overview, type Section, sectionsOf } from './sections.ts';

/** More bars than that nobody reads. */
const MAX_BARS = 40;

/** Writes the numbers (JSON), the plots (SVG) and a page with all of them into a folder, which is made. Returns the files' paths. */
export function writeHistory(directory: string, history: History): Promise<readonly string[]> {
  const common = plotsOfAll(history.models);
  const ofModels = history.models.map((model, i) => ({ model, plots: plotsOf(model, i + 1) }));
  return writeFiles(directory, {
    'history.json': jsonOf(history),
    ...Object.assign({}, common, ...ofModels.map(({ plots }) => plots)),
    'index.html': htmlPage(
      'Warmroute history',
      [
        `<p>${escaped(history.files.join(', '))}</p>`,
        htmlTable(overview(history).rows),
        ...Object.values(common),
        ...ofModels.map(({ model, plots }) => partOf(model, Object.values(plots))),
      ].join('\n'),
    ),
  });
}

function partOf(model: ModelHistory, plots: readonly string[]): string {
  return [`<h2>${escaped(model.model)}</h2>`, ...plots, ...sectionsOf(model).map(htmlSection)].join('\n');
}

function htmlSection({ title, rows }: Section): string {
  return `<h3>${escaped(title)}</h3>\n${htmlTable(rows)}`;
}

function plotsOfAll(models: readonly ModelHistory[]): Readonly<Record<string, string>> {
  const reused = models.filter(({ reuse }) => reuse.tokens > 0);
  const curves = (of: 'bySinceMs' | 'byNewTokens', unit: number): Curve[] =>
    reused.map(({ model, reuse }) => ({
      label: model,
      // From the axis up: what is all within one span would be a point.
      points: [[reuse[of][0]![0], 0] as const, ...reuse[of]].map(
        ([value, tokens]) => [value / unit, tokens / reuse.tokens] as const,
      ),
    }));
  if (reused.length === 0) return {};
  return {
    'reuse-time.svg': shares(
      { title: 'Tokens that could be used again, by time since their last use', axis: 'seconds' },
      curves('bySinceMs', 1_000),
    ),
    'reuse-cache.svg': shares(
      {
        title: 'Tokens that could be used again, by the cache that would have had them',
        axis: 'tokens of a cache for all pods',
      },
      curves('byNewTokens', 1),
    ),
  };
}

/** @param number of the model: its name is no name of a file */
function plotsOf(history: ModelHistory, number: number): Readonly<Record<string, string>> {
  const { model, overTime, spanMs, pods } = history;
  const curve = (
    label: string,
    tokens: 'predictedTokens' | 'reachableTokens',
    of: 'lookedUpTokens' | 'promptTokens',
  ): Curve => ({
    label,
    points: overTime
      .filter(span => span[of] > 0)
      .map(span => [(span.startMs + spanMs / 2) / 60_000, Math.min(1, span[tokens] / span[of])] as const),
  });
  return {
    [`over-time-${number}.svg`]: sharesOverTime(
      { title: `${model}: prompt tokens over time, of all`, axis: 'minutes since the beginning' },
      [
        curve('predicted to be cached', 'predictedTokens', 'lookedUpTokens'),
        curve('reachable', 'reachableTokens', 'promptTokens'),
      ],
    ),
    ...(history.predicted.requests > 0 && {
      [`pods-${number}.svg`]: bars(
        { title: `${model}: prompt tokens computed by each pod, by prediction`, axis: 'tokens' },
        pods.slice(0, MAX_BARS).map(({ pod, computedTokens }) => ({ label: pod, value: computedTokens })),
        value => Math.round(value).toLocaleString('en-US'),
      ),
    }),
  };
}
