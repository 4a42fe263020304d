import { escaped } from './markup.ts';
import type { Results, Setup } from './results.ts';
import { rowsOf } from './table.ts';

const STYLE = `:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}
.wide{overflow-x:auto}table{border-collapse:collapse}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #8884;white-space:nowrap}
th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto;color:inherit}dt{font-weight:600}`;

/** One page with all there is, which loads nothing. */
export function pageOf(results: Results, plots: readonly string[]): string {
  const facts = Object.entries(described(results.setup))
    .map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`)
    .join('');
  return htmlPage(
    'Warmroute simulation',
    `<dl>${facts}</dl>\n${htmlTable(rowsOf(results))}\n${plots.join('\n')}`,
  );
}

/** @param title and @param body markup */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
${body}
</html>
`;
}

/** Of any cells, which are text; the titles first. */
export function htmlTable([titles, ...rows]: readonly (readonly string[])[]): string {
  return `<div class="wide"><table>
<tr>${titles!.map(title => `<th>${escaped(title)}</th>`).join('')}</tr>
${rows.map(row => `<tr>${row.map(cell => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('\n')}
</table></div>`;
}

/** In words, with units. */
export function described(setup: Setup): Readonly<Record<string, string>> {
  const { cost, zones } = setup;
  return {
    traces: `${setup.traces.join(', ')}, at ${setup.load} times their rate`,
    pods: `${setup.pods}, with ${setup.capacityTokens.join(', ')} tokens of KV cache in blocks of ${setup.blockSizeTokens}, speed ${setup.speeds.join(', ')}`,
    step: `${cost.stepMs} ms + ${cost.prefillTokenMs} ms a prompt token + ${cost.decodeSequenceMs} ms a decoding sequence; at most ${setup.maxBatchedTokens} tokens and ${setup.maxSequences} sequences`,
    events: `in the index ${setup.eventDelayMs} ms after their step; a routed prompt counts as held for ${setup.expectedBlocksTtlMs} ms; metrics every ${setup.metricsIntervalMs} ms`,
    ...(zones.count > 1 && {
      zones: `${zones.count}; another one costs ${zones.penaltyMs} ms in the policy, and ${zones.latencyMs} ms on the way`,
    }),
  };
}
