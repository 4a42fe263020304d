import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes texts, by their files' names, into a folder, which is made. Returns the files' paths. */
export async function writeFiles(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const paths: string[] = [];
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    await writeFile(path, text);
    paths.push(path);
  }
  return paths;
}
