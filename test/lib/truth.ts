/** Holds what is left on disk after a chaos test to the invariants of the system. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { Database } from '../../src/store/database.ts';
import { checkInvariants } from '../../src/store/invariants.suite.ts';
import { openSqlite } from '../../src/store/sqlite/sqlite.ts';
import { integer, text } from '../../src/store/statements/columns.ts';
import { readEffects } from './effects.ts';
import { vmFoldersUnder, vmmsUnder } from './leftovers.ts';

/** What a test knows of a data directory whose processes have all ended. */
export interface Known {
  readonly dataDir: string;
  /** Jobs whose submit was answered. */
  readonly accepted: readonly string[];
  /** Where the jobs told what they did, when they did. */
  readonly effectsFile?: string;
}

/** Every violation, in words; none for a sound system. */
export async function untruths({ dataDir, accepted, effectsFile }: Known): Promise<string[]> {
  const db = await openSqlite({ file: join(dataDir, 'blixard.db'), clock: realClock, log: silentLog });
  try {
    return [
      ...(await damage(db)),
      ...(await checkInvariants(db)),
      ...(await lostJobs(db, accepted)),
      ...(effectsFile === undefined ? [] : await wrongEffects(db, effectsFile)),
      ...(await logsOfNobody(db, join(dataDir, 'logs'))),
      ...(await vmmsUnder(dataDir)).map((vmm) => `I7: a VMM is left: ${vmm}`),
      ...(await vmFoldersUnder(dataDir)).map((folder) => `I7: a VM's folder is left: ${folder}`),
    ];
  } finally {
    await db.close();
  }
}

async function damage(db: Database): Promise<string[]> {
  const rows = await db.query({ sql: 'SELECT integrity_check AS said FROM pragma_integrity_check' });
  return rows.map((row) => text(row, 'said')).filter((said) => said !== 'ok');
}

async function lostJobs(db: Database, accepted: readonly string[]): Promise<string[]> {
  const rows = await db.query({
    sql: 'SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM jobs) ORDER BY value',
    args: [JSON.stringify(accepted)],
  });
  return rows.map((row) => `I1: job ${row['value']} was accepted and is not there`);
}

async function logsOfNobody(db: Database, dir: string): Promise<string[]> {
  const folders = await readdir(dir).catch(() => []);
  const rows = await db.query({
    sql: 'SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM jobs) ORDER BY value',
    args: [JSON.stringify(folders)],
  });
  return rows.map((row) => `I7: logs are left of job ${row['value']}, which is forgotten`);
}

/** I6: an attempt runs its command at most once, and only if it exists; a completed job has run to its end. */
async function wrongEffects(db: Database, file: string): Promise<string[]> {
  const effects = await readEffects(file);
  const begun = new Map<string, number>();
  const ended = new Set<string>();
  for (const { jobId, attempt, step } of effects) {
    const key = `${jobId}/${attempt}`;
    if (step === 'ended') ended.add(key);
    else begun.set(key, (begun.get(key) ?? 0) + 1);
  }
  const jobs = new Map(
    (await db.query({ sql: 'SELECT id, state, attempt FROM jobs' })).map((row) => [text(row, 'id'), row]),
  );
  const found = [...begun].flatMap(([key, times]) => {
    const [jobId = '', attempt = ''] = key.split('/');
    const job = jobs.get(jobId);
    return [
      ...(times > 1 ? [`I6: attempt ${key} ran its command ${times} times`] : []),
      ...(job !== undefined && integer(job, 'attempt') < Number(attempt)
        ? [`I6: attempt ${key} ran, its job has none of that number`]
        : []),
    ];
  });
  for (const [id, row] of jobs) {
    const key = `${id}/${integer(row, 'attempt')}`;
    if (text(row, 'state') === 'completed' && !ended.has(key))
      found.push(`job ${id} is completed and did not run`);
  }
  return found;
}
