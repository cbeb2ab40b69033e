import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { databaseSuite } from '../database.suite.ts';
import { openSnapshot } from './snapshot.ts';
import { openSqlite, type SqliteDatabase } from './sqlite.ts';

let dir = '';
let count = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-sqlite-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const freshFile = (): string => join(dir, `${++count}.db`);
const openFile = (file: string): Promise<SqliteDatabase> =>
  openSqlite({ file, clock: new FakeClock(), log: silentLog });

databaseSuite('SQLite file', () => openFile(freshFile()));
databaseSuite('SQLite in memory', () => openFile(':memory:'));

describe('a SQLite store file', () => {
  it('is made with its folder, for its owner’s eyes only, and keeps what was written', async () => {
    const file = join(dir, 'new', 'folder', 'a.db');
    const first = await openFile(file);
    await first.batch([
      { sql: 'CREATE TABLE t (a INTEGER)' },
      { sql: 'INSERT INTO t VALUES (?)', args: [5] },
    ]);
    expect([statSync(file).mode & 0o777, statSync(`${file}-wal`).mode & 0o777]).toEqual([0o600, 0o600]);
    await first.close();
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    expect(existsSync(`${file}.owner`)).toBe(false);
    const second = await openFile(file);
    expect(await second.query({ sql: 'SELECT a FROM t' })).toEqual([{ a: 5 }]);
    await second.close();
  });

  it('has one owner, also under another name, until it is closed', async () => {
    const file = freshFile();
    const owner = await openFile(file);
    const other = join(dir, 'other-name.db');
    symlinkSync(file, other);
    for (const name of [file, other])
      await expect(openFile(name)).rejects.toMatchObject({
        code: 'STORE_LOCKED',
        message: expect.stringContaining(`process ${process.pid}, since 2023-11-14T22:13:20.000Z`),
      });
    await owner.batch([{ sql: 'CREATE TABLE still_works (a INTEGER)' }]);
    await owner.close();
    await (await openFile(other)).close();
  });

  it.each([
    ['is no database', () => writeFileSync(join(dir, 'text.db'), 'no database, '.repeat(100)), 'text.db'],
    ['lies under a file', () => writeFileSync(join(dir, 'plain'), ''), 'plain/a.db'],
    ['is a folder', () => mkdirSync(join(dir, 'folder'), { recursive: true }), 'folder'],
  ])('that %s is refused with STORE_UNAVAILABLE, each time', async (_title, prepare, name) => {
    prepare();
    for (let time = 0; time < 2; time++)
      await expect(openFile(join(dir, name))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('gives the room of its log back that a reader of an older state has made it take', async () => {
    const file = freshFile();
    const db = await openFile(file);
    await db.batch([{ sql: 'CREATE TABLE t (a BLOB)' }]);
    const write = (): Promise<unknown> => db.batch([{ sql: 'INSERT INTO t VALUES (zeroblob(2097152))' }]);
    const logMiB = (): number => statSync(`${file}-wal`).size / 2 ** 20;
    const reader = await openSnapshot(file);
    await reader.query({ sql: 'SELECT count(*) AS n FROM t' });
    for (let n = 0; n < 15; n++) await write();
    expect(logMiB()).toBeGreaterThan(30);
    reader.close();
    for (let n = 0; n < 3; n++) await write();
    expect(logMiB()).toBeLessThan(17);
    await db.close();
  });

  it('counts what it does: one commit for all that came together, nothing when idle', async () => {
    const db = await openFile(freshFile());
    await db.batch([{ sql: 'CREATE TABLE t (a INTEGER)' }]);
    const before = db.stats();
    const row = { sql: 'INSERT INTO t VALUES (1)' };
    await Promise.all(Array.from({ length: 40 }, () => db.batch([row, row])));
    await db.query({ sql: 'SELECT a FROM t' });
    const after = db.stats();
    expect(after).toEqual({
      commits: before.commits + 1,
      beside: 0,
      batches: 41,
      statements: 81,
      queries: 1,
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(db.stats()).toEqual(after);
    await db.close();
  });
});
