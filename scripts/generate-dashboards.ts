/** Writes deploy/grafana from the dashboards in scripts/dashboards: `npm run generate`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { dashboardFiles } from './dashboards/dashboards.ts';

for (const [path, text] of Object.entries(dashboardFiles())) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
