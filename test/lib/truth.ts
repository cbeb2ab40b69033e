/** Holds what is left on disk after a chaos test to the invariants of the system. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyDataDir } from '../../src/main/verify/verify-data-dir.ts';
import { realClock } from '../../src/platform/clock.ts';
import { removeTree } from '../../src/platform/files.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { Database } from '../../src/store/database.ts';
import { openSqlite } from '../../src/store/sqlite/sqlite.ts';
import { integer, text } from '../../src/store/statements/columns.ts';
import { readEffects } from './effects.ts';
import { vmmsUnder } from './leftovers.ts';

/** What a test knows of a data directory whose processes have all ended. */
export interface Known {
  readonly dataDir: string;
  /** Jobs whose submit was answered. */
  readonly accepted: readonly string[];
  /** Where the jobs told that they ran, when all of them did. */
  readonly effectsFile?: string;
}

/** Every violation, in words; none for a sound system. */
export async function untruths({ dataDir, accepted, effectsFile }: Known): Promise<string[]> {
  return [
    ...(await violations({ dataDir, accepted, ...(effectsFile === undefined ? {} : { effectsFile }) })),
    ...(await storeTroubles(dataDir, effectsFile)),
    ...(await vmmsUnder(dataDir)).map((vmm) => `I7: a VMM is left: ${vmm}`),
  ];
}

async function violations({ dataDir, accepted, effectsFile }: Known): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-accepted-'));
  try {
    const file = join(dir, 'accepted');
    await writeFile(file, accepted.map((id) => `${id}\n`).join(''));
    const effects = effectsFile === undefined ? {} : { effects: effectsFile };
    const found = await verifyDataDir({ dataDir, clock: realClock, accepted: file, ...effects });
    return found.flatMap(({ invariant, violations: broken }) =>
      broken.map(({ rule, count, rows }) => `${invariant}: ${rule}, ${count} times: ${rows.join('; ')}`),
    );
  } finally {
    await removeTree(dir);
  }
}

async function storeTroubles(dataDir: string, effectsFile: string | undefined): Promise<string[]> {
  const db = await openSqlite({ file: join(dataDir, 'blixard.db'), clock: realClock, log: silentLog });
  try {
    const check = await db.query({ sql: 'SELECT integrity_check AS said FROM pragma_integrity_check' });
    const damage = check.map((row) => text(row, 'said')).filter((said) => said !== 'ok');
    return effectsFile === undefined ? damage : [...damage, ...(await madeUpEnds(db, effectsFile))];
  } finally {
    await db.close();
  }
}

/** A job that is told as completed must have run. */
async function madeUpEnds(db: Database, effectsFile: string): Promise<string[]> {
  const ran = new Set((await readEffects(effectsFile)).map(({ jobId, attempt }) => `${jobId}/${attempt}`));
  const rows = await db.query({ sql: "SELECT id, attempt FROM jobs WHERE state = 'completed' ORDER BY id" });
  const keys = rows.map((row) => `${text(row, 'id')}/${integer(row, 'attempt')}`);
  return keys
    .filter((key) => !ran.has(key))
    .map((key) => `attempt ${key} is told as completed and did not run`);
}
