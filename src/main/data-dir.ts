/** Makes sure the data directory can be used, before anything else needs it. */
import { access, constants, mkdir } from 'node:fs/promises';
import { BlixardError, problemOf } from '../domain/errors.ts';
import type { LoadedConfig } from './config.ts';
import { configKeys } from './config-keys.ts';

/** Makes the directory where it is missing. Rejects with the system's error when it cannot be used. */
export async function openDataDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
}

/** Rejects with CONFIG_INVALID naming the directory and who chose it when it cannot be used. */
export async function requireDataDir({ values, sources }: LoadedConfig): Promise<void> {
  try {
    await openDataDir(values.dataDir);
  } catch (error) {
    const place = { key: configKeys.dataDir.name, value: values.dataDir, source: sources.dataDir };
    throw new BlixardError('CONFIG_INVALID', { ...place, problem: problemOf(error) }, { cause: error });
  }
}
