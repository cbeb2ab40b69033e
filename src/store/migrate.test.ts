import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { checkStatement } from './check.ts';
import type { Database } from './database.ts';
import { migrate } from './migrate.ts';
import { loadMigrations, type Migration, splitStatements } from './migration-files.ts';
import { openSqlite } from './sqlite/sqlite.ts';

const nowMs = 1_700_000_000_000;
const first = `-- Jobs, and how many there are.
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY, -- order
  note TEXT DEFAULT 'a; b'
);

CREATE TABLE counts (n INTEGER);
INSERT INTO counts (n) VALUES (0);
CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs BEGIN
  UPDATE counts SET n = n + 1;
  -- once more
  UPDATE counts SET n = n + 1;
END;
`;
const second = 'ALTER TABLE jobs ADD COLUMN queue TEXT;\n';

let dir = '';
let db: Database;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-migrate-'));
  db = await openSqlite({ file: ':memory:', clock: realClock, log: silentLog });
});
afterEach(async () => {
  await db.close();
  rmSync(dir, { recursive: true });
});

const write = (files: Record<string, string>): void => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
};
const load = (): Promise<readonly Migration[]> => loadMigrations(pathToFileURL(`${dir}/`));
const versions = (): Promise<unknown> => db.query({ sql: 'SELECT * FROM schema_version ORDER BY version' });

describe('splitStatements', () => {
  it('ends a statement at the end of a line, a trigger at END;', () => {
    const statements = splitStatements(first);
    expect(statements.map((sql) => sql.split('\n')[0])).toEqual([
      'CREATE TABLE jobs (',
      'CREATE TABLE counts (n INTEGER)',
      'INSERT INTO counts (n) VALUES (0)',
      'CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs BEGIN',
    ]);
    for (const sql of statements) checkStatement({ sql });
  });

  it('refuses a statement without an end, and reads Windows line ends', () => {
    expect(() => splitStatements('CREATE TABLE a (b TEXT)')).toThrow('has no end');
    expect(() => splitStatements('CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\n')).toThrow(
      'has no end',
    );
    expect(splitStatements('DROP TABLE a;\r\nDROP TABLE b;\r\n')).toEqual(['DROP TABLE a', 'DROP TABLE b']);
  });
});

describe('loadMigrations', () => {
  it('takes the SQL files in order, and only them', async () => {
    write({ '0002_queues.sql': second, '0001_jobs.sql': first, 'README.md': '# no migration' });
    expect((await load()).map(({ version, name, statements }) => [version, name, statements.length])).toEqual(
      [
        [1, '0001_jobs', 4],
        [2, '0002_queues', 1],
      ],
    );
  });

  it.each([
    ['a gap', { '0001_a.sql': second, '0003_c.sql': second }, '0003_c.sql should have number 2'],
    [
      'the same number twice',
      { '0001_a.sql': second, '0001_b.sql': second },
      '0001_b.sql should have number 2',
    ],
    ['another name', { 'jobs.sql': second }, 'jobs.sql is not named like'],
  ])('refuses %s', async (_title, files, problem) => {
    write(files);
    await expect(load()).rejects.toThrow(problem);
  });

  it('finds the migrations of this package, each fit for every store', async () => {
    const shipped = await loadMigrations();
    for (const { statements } of shipped) for (const sql of statements) checkStatement({ sql });
    await migrate(db, shipped, nowMs);
    expect(await versions()).toHaveLength(shipped.length);
  });
});

describe('migrate', () => {
  it('applies each migration once and remembers it', async () => {
    write({ '0001_jobs.sql': first });
    await migrate(db, await load(), nowMs);
    await db.batch([{ sql: 'INSERT INTO jobs (note) VALUES (?)', args: ['x'] }]);
    expect(await db.query({ sql: 'SELECT n FROM counts' })).toEqual([{ n: 2 }]);
    write({ '0002_queues.sql': second });
    await migrate(db, await load(), nowMs + 1);
    await migrate(db, await load(), nowMs + 2);
    expect(await versions()).toEqual([
      {
        version: 1,
        name: '0001_jobs',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        applied_at_ms: nowMs,
      },
      {
        version: 2,
        name: '0002_queues',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        applied_at_ms: nowMs + 1,
      },
    ]);
    expect(await db.query({ sql: 'SELECT queue FROM jobs' })).toEqual([{ queue: null }]);
  });

  it('lets several programs start together', async () => {
    write({ '0001_jobs.sql': first, '0002_queues.sql': second });
    const migrations = await load();
    await Promise.all([1, 2, 3].map((node) => migrate(db, migrations, nowMs + node)));
    expect(await versions()).toHaveLength(2);
  });

  it('leaves nothing of a migration that fails, says why, and goes on when it is mended', async () => {
    write({
      '0001_jobs.sql': first,
      '0002_broken.sql': 'CREATE TABLE extra (a TEXT);\nDROP TABLE nowhere;\n',
    });
    await expect(migrate(db, await load(), nowMs)).rejects.toThrow('nowhere');
    expect(await versions()).toHaveLength(1);
    write({ '0002_broken.sql': 'CREATE TABLE extra (a TEXT);\n' });
    await migrate(db, await load(), nowMs);
    expect(await versions()).toHaveLength(2);
  });

  it('refuses a store of a newer program, naming both versions', async () => {
    write({ '0001_jobs.sql': first, '0002_queues.sql': second });
    const both = await load();
    await migrate(db, both, nowMs);
    await expect(migrate(db, both.slice(0, 1), nowMs)).rejects.toMatchObject({
      code: 'STORE_TOO_NEW',
      details: { found: 2, known: 1 },
    });
  });

  it('refuses a store whose applied migration has changed', async () => {
    write({ '0001_jobs.sql': first, '0002_queues.sql': second });
    await migrate(db, await load(), nowMs);
    write({ '0001_jobs.sql': `${first}-- a word more\n` });
    await expect(migrate(db, await load(), nowMs)).rejects.toMatchObject({
      code: 'STORE_MIGRATION_CHANGED',
      details: { migration: '0001_jobs' },
    });
  });
});
