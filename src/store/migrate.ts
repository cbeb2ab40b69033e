/** Brings a store to the schema this program knows, forward only, through the Database port alone. */
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import type { Database, SqlValue } from './database.ts';
import type { Migration } from './migration-files.ts';

const createVersionTable = `CREATE TABLE IF NOT EXISTS schema_version (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  applied_at_ms INTEGER NOT NULL
)`;
const selectVersions = 'SELECT version, sha256 FROM schema_version ORDER BY version';
const insertVersion = 'INSERT INTO schema_version (version, name, sha256, applied_at_ms) VALUES (?, ?, ?, ?)';

/**
 * Applies what is missing, each migration as one batch with its own row, so that of several nodes that start
 * together one does it. `nowMs` is written beside it, epoch ms. Throws STORE_TOO_NEW, STORE_MIGRATION_CHANGED, or
 * what the store throws; after any of them a later call goes on where this one stopped.
 */
export async function migrate(db: Database, migrations: readonly Migration[], nowMs: number): Promise<void> {
  await db.batch([{ sql: createVersionTable }]);
  const applied = await appliedVersions(db);
  const newest = Math.max(0, ...applied.keys());
  if (newest > migrations.length)
    throw new BlixardError('STORE_TOO_NEW', { found: newest, known: migrations.length });
  for (const migration of migrations) {
    if (!isApplied(migration, applied)) await apply(db, migration, nowMs);
  }
}

/** Throws STORE_TOO_NEW or STORE_TOO_OLD unless the store has exactly this schema; changes nothing. */
export async function assertMigrated(
  store: Pick<Database, 'query'>,
  migrations: readonly Migration[],
): Promise<void> {
  const found = Math.max(0, ...(await appliedVersions(store)).keys());
  const details = { found, known: migrations.length };
  if (found > migrations.length) throw new BlixardError('STORE_TOO_NEW', details);
  if (found < migrations.length) throw new BlixardError('STORE_TOO_OLD', details);
}

async function apply(db: Database, migration: Migration, nowMs: number): Promise<void> {
  const { version, name, sha256, statements } = migration;
  const row = { sql: insertVersion, args: [version, name, sha256, nowMs] };
  try {
    // The row goes first: a node that comes second fails on it, before it touches the schema.
    await db.batch([row, ...statements.map((sql) => ({ sql }))]);
  } catch (error) {
    if (!isBlixardError(error, 'CONSTRAINT')) throw error;
    if (!isApplied(migration, await appliedVersions(db))) throw error;
  }
}

/** Checksums by version, as the store has them. */
async function appliedVersions(db: Pick<Database, 'query'>): Promise<Map<number, SqlValue>> {
  const rows = await db.query({ sql: selectVersions }, { level: 'linearizable' });
  return new Map(rows.map((row) => [Number(row['version']), row['sha256'] ?? null]));
}

function isApplied(migration: Migration, applied: ReadonlyMap<number, SqlValue>): boolean {
  const sha256 = applied.get(migration.version);
  if (sha256 === undefined) return false;
  if (sha256 === migration.sha256) return true;
  throw new BlixardError('STORE_MIGRATION_CHANGED', { migration: migration.name });
}
