/** Writes what is generated for the Helm chart: `npm run generate`. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { GENERATED, HELM_PAGE, VALUES_SCHEMA } from './files.ts';
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
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(await generatedFiles())) await writeFile(path, text);
}
