/** Reads the numbered SQL files of a folder (migrations/README.md has the format). */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { BlixardError } from '../domain/errors.ts';
import { opensTrigger } from './sql-text.ts';

/** One step of the schema, applied once, in order of `version`. */
export interface Migration {
  /** From 1, without gaps. */
  readonly version: number;
  /** The file's name without `.sql`. */
  readonly name: string;
  /** Of the file's bytes, hex. */
  readonly sha256: string;
  readonly statements: readonly string[];
}

/** The migrations this package ships; the same place seen from src/store and from dist/store. */
const shippedMigrations = new URL('../../migrations/', import.meta.url);

const fileName = /^(\d{4})_[a-z0-9_]+\.sql$/;

/** All migrations of a folder, by version. Throws INTERNAL for a wrong name, a gap, or an unfinished statement. */
export async function loadMigrations(dir: URL = shippedMigrations): Promise<readonly Migration[]> {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.sql')).sort();
  const migrations = await Promise.all(files.map((file) => loadMigration(dir, file)));
  for (const [index, migration] of migrations.entries()) {
    if (migration.version !== index + 1) broken(`${migration.name}.sql should have number ${index + 1}`);
  }
  return migrations;
}

/**
 * The statements of a migration: each ends with the line that ends in `;`, a trigger with the line `END;`. Lines
 * that hold only a comment are left out. Throws INTERNAL when the last statement has no end.
 */
export function splitStatements(sql: string): readonly string[] {
  const statements: string[] = [];
  let lines: string[] = [];
  for (const line of sql.split('\n')) {
    if (/^\s*(--.*)?$/.test(line)) continue;
    lines.push(line.trimEnd());
    const statement = lines.join('\n');
    if (!(opensTrigger(statement) ? /^\s*END;$/i : /;$/).test(line.trimEnd())) continue;
    statements.push(statement.slice(0, -1));
    lines = [];
  }
  if (lines.length > 0) broken(`the statement that starts with "${lines[0]}" has no end`);
  return statements;
}

async function loadMigration(dir: URL, file: string): Promise<Migration> {
  const version = fileName.exec(file)?.[1];
  if (version === undefined) return broken(`${file} is not named like 0001_jobs.sql`);
  const bytes = await readFile(new URL(file, dir));
  return {
    version: Number(version),
    name: file.slice(0, -'.sql'.length),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    statements: splitStatements(bytes.toString('utf8')),
  };
}

function broken(problem: string): never {
  throw new BlixardError('INTERNAL', { problem: `migrations: ${problem}` });
}
