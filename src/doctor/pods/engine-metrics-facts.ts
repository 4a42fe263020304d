/** What an engine's `/metrics` say of how it was started. */
import { printable } from '../../printable.ts';
import type { EngineMetricsFacts } from './pod-facts.ts';

const ENGINES = [
  ['vllm', /^vllm:/m],
  ['sglang', /^sglang:/m],
  ['trtllm', /^trtllm[_:]/m],
] as const;
const CACHE_CONFIG = /^vllm:cache_config_info\{(.*)\} /gm;
const RUNNING = /^vllm:num_requests_running\{(.*)\} /gm;
/** Data-parallel ranks; nobody has more. */
const MAX_SERIES = 1_024;

/** @param text undefined: there are none */
export function engineMetricsFacts(text: string | undefined): EngineMetricsFacts {
  const engine = ENGINES.find(([, mark]) => text !== undefined && mark.test(text))?.[0];
  const configs = labelsOf(CACHE_CONFIG, text);
  const ranks = new Set(labelsOf(RUNNING, text).map(labels => label('engine', labels)));
  const size = Number(label('block_size', configs[0]));
  const caching = label('enable_prefix_caching', configs[0]);
  return {
    engine,
    blockSizeTokens: Number.isSafeInteger(size) && size > 0 ? size : undefined,
    prefixCaching: caching === 'True' ? true : caching === 'False' ? false : undefined,
    ranks: ranks.size === 0 || ranks.has(undefined) ? undefined : ranks.size,
  };
}

function labelsOf(metric: RegExp, text = ''): string[] {
  return Array.from(text.matchAll(metric), ([, labels]) => labels!).slice(0, MAX_SERIES);
}

function label(name: string, labels = ''): string | undefined {
  const value = new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1];
  return value === undefined ? undefined : printable(value, 40);
}
