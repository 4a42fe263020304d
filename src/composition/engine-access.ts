/** The key and the certificates for talking to engines, from their files. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import type { EngineAccess } from '../prompt/engine/http.ts';
import { SETTINGS, type Setting } from '../settings/settings.ts';

/** What may be in a header: a file with anything else is not the key, or one with a line too many. */
const KEY = /^[\x21-\x7e]+$/;

/** Rejects with a message that names the setting, and never what is in the file. */
export async function readEngineAccess(
  config: Pick<Config, 'engineApiKeyFile' | 'engineCaFile'>,
): Promise<EngineAccess> {
  const { engineApiKeyFile, engineCaFile } = SETTINGS;
  const key = (await read(engineApiKeyFile, config.engineApiKeyFile))?.trim();
  if (key !== undefined && !KEY.test(key)) {
    throw new Error(
      `${engineApiKeyFile.names[0]}: the file must hold the key, in one line, and nothing else`,
    );
  }
  const ca = await read(engineCaFile, config.engineCaFile);
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error(`${engineCaFile.names[0]}: there is no PEM certificate in the file`);
  }
  return { apiKey: key, ca };
}

async function read({ names }: Pick<Setting<unknown>, 'names'>, path: string | undefined) {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`${names[0]}: ${(error as Error).message}`, { cause: error });
  }
}
