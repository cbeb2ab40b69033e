/** `blixard verify`: holds a data directory, and what was written beside it, to the invariants; changes nothing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import { assertMigrated } from '../../store/migrate.ts';
import { loadMigrations } from '../../store/migration-files.ts';
import { openSnapshot } from '../../store/sqlite/snapshot.ts';
import { type Finding, Findings } from '../../store/verify/findings.ts';
import { verifyStore } from '../../store/verify/verify-store.ts';
import { artifactDirIn, logDirIn, storeFileIn } from '../paths.ts';
import { verifyAccepted, verifyEffects } from './effects.ts';
import { verifyJobFolders } from './job-folders.ts';
import { artifactFolders, logFolders } from './log-folders.ts';
import { verifyVmFolders } from './vm-folders.ts';

/** What is verified. */
export interface Verification {
  readonly dataDir: string;
  readonly clock: Clock;
  /** A file of lines `jobId attempt` that the commands of jobs appended. */
  readonly effects?: string;
  /** A file of job ids, one a line, whose submits were answered. */
  readonly accepted?: string;
}

/**
 * What became of each invariant. Works while a server runs on the directory: the store is read at one moment.
 * Rejects with STORE_UNAVAILABLE, STORE_TOO_NEW, STORE_TOO_OLD, or USAGE where there is no store, and for a file that
 * cannot be read.
 */
export async function verifyDataDir({
  dataDir,
  clock,
  effects,
  accepted,
}: Verification): Promise<readonly Finding[]> {
  const found = new Findings();
  const file = storeFileIn(dataDir);
  if (!existsSync(file))
    throw new BlixardError('USAGE', { problem: `--data-dir: there is no store ${file}` });
  const store = await openSnapshot(file);
  try {
    await assertMigrated(store, await loadMigrations());
    await verifyStore(store, found);
    if (accepted !== undefined) await reading('--accepted', accepted, verifyAccepted(accepted, store, found));
    if (effects !== undefined) await reading('--effects', effects, verifyEffects(effects, store, found));
    await verifyJobFolders(logDirIn(dataDir), logFolders, store, found);
    await verifyJobFolders(artifactDirIn(dataDir), artifactFolders, store, found);
  } finally {
    store.close();
  }
  await verifyVmFolders(join(dataDir, 'vms'), clock, found);
  return found.all();
}

/** A file of the caller's that cannot be read is a wrong call; anything else stays what it is. */
async function reading(flag: string, file: string, verified: Promise<void>): Promise<void> {
  try {
    await verified;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new BlixardError('USAGE', { problem: `${flag} ${file}: ${problemOf(error)}` }, { cause: error });
  }
}
