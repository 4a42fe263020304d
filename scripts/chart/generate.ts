/** Writes what is generated for the Helm chart: `npm run generate`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alertRules } from '../alert-rules.ts';
import { dashboardFiles } from '../dashboards/dashboards.ts';
import { CHART_FILES, GENERATED, HELM_PAGE, VALUES_SCHEMA } from './files.ts';
import { helmPage } from './page.ts';
import { generatedJson } from './program.ts';
import { describedValues } from './values.ts';
import { valuesSchemaJson } from './values-schema.ts';

/** Path → text. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  const values = await describedValues();
  return {
    [GENERATED]: generatedJson(),
    [VALUES_SCHEMA]: valuesSchemaJson(values),
    [HELM_PAGE]: helmPage(values),
    [`${CHART_FILES}/rules.yaml`]: alertRules(),
    ...Object.fromEntries(
      Object.entries(dashboardFiles()).map(([path, text]) => [
        `${CHART_FILES}/dashboards/${basename(path)}`,
        // Without the white space, which is half of it.
        `${JSON.stringify(JSON.parse(text))}\n`,
      ]),
    ),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(await generatedFiles())) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}
