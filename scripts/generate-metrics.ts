/** Writes docs/metrics.md from the table of metrics: `npm run generate`. */
import { writeFile } from 'node:fs/promises';
import { METRICS_PAGE, metricsPage } from './metrics-page.ts';

await writeFile(METRICS_PAGE, metricsPage());
