/** What is measured of the worth of routing by prefix: docs/worth.md. */
import { type Setting, setting } from './setting.ts';
import { percent } from './values.ts';

export const WORTH = {
  controlPercent: setting(
    'Warmroute',
    ['WARMROUTE_CONTROL_PERCENT'],
    '0',
    'percent',
    percent(50),
    'This share of the requests that could be routed by their prefix, drawn at random, goes to the least loaded pod as if nothing were known of prefixes (reason `control`), so that what routing is worth can be measured. Fractions are allowed. It costs this share of the cache hits that routing brings: [worth.md](worth.md).',
  ),
  answerSamplePercent: setting(
    'Warmroute',
    ['WARMROUTE_ANSWER_SAMPLE_PERCENT'],
    '1',
    'percent',
    percent(100),
    'This share of the answers, drawn at random, is looked at to its end, for the cached tokens that engines report and the time to the first byte; of streamed ones four at a time for each percent, since each costs the router some 40 µs a token. Fractions are allowed; 0: none. [worth.md](worth.md).',
  ),
} as const satisfies Record<string, Setting<unknown>>;
