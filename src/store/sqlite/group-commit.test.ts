import { describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import type { Statement } from '../database.ts';
import { type Connection, openWriter } from './connection.ts';
import { loadSqlite } from './library.ts';
import { SqliteDatabase } from './sqlite.ts';

const insert = (text: string): Statement => ({ sql: 'INSERT INTO t (s) VALUES (?)', args: [text] });
const big = insert('x'.repeat(50_000));

async function open(): Promise<{ db: SqliteDatabase; writer: Connection }> {
  const writer = openWriter(await loadSqlite(), ':memory:');
  writer.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT UNIQUE)');
  return {
    writer,
    db: new SqliteDatabase({ writer, reader: writer, clock: new FakeClock(), log: silentLog }),
  };
}

const countOf = async (db: SqliteDatabase): Promise<unknown> =>
  (await db.query({ sql: 'SELECT count(*) AS n FROM t' }))[0]?.['n'];

describe('group commit', () => {
  it('fails all that share a transaction when the disk is full, and works again when there is room', async () => {
    const { db, writer } = await open();
    await db.batch([insert('kept')]);
    writer.exec('PRAGMA max_page_count = 10');
    const settled = await Promise.allSettled([
      db.batch([insert('a')]),
      db.batch([insert('b'), big]),
      db.batch([insert('c')]),
    ]);
    for (const each of settled) {
      expect(each).toMatchObject({
        status: 'rejected',
        reason: { code: 'STORE_FULL', details: { problem: expect.stringContaining('SQLITE_FULL') } },
      });
    }
    expect(await countOf(db)).toBe(1);
    await db.batch([insert('small ones still fit')]);
    writer.exec('PRAGMA max_page_count = 100000');
    await db.batch([insert('b'), big]);
    expect(await countOf(db)).toBe(4);
    await db.close();
  });

  it('tells every caller when the COMMIT itself fails, and keeps none of the writes', async () => {
    const { db, writer } = await open();
    writer.exec('CREATE TABLE parent (id INTEGER PRIMARY KEY)');
    writer.exec('CREATE TABLE child (p INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)');
    writer.exec('PRAGMA foreign_keys = ON');
    const orphan = { sql: 'INSERT INTO child (p) VALUES (1)' };
    const settled = await Promise.allSettled([db.batch([insert('a')]), db.batch([orphan])]);
    expect(settled.map((each) => each.status === 'rejected' && each.reason.code)).toEqual([
      'STORE_UNAVAILABLE',
      'STORE_UNAVAILABLE',
    ]);
    expect(await countOf(db)).toBe(0);
    await db.batch([insert('a')]);
    expect(await countOf(db)).toBe(1);
    await db.close();
  });

  it('undoes a write whose returned rows cannot be read', async () => {
    const { db } = await open();
    const unreadable = { sql: "INSERT INTO t (s) VALUES ('a') RETURNING 9007199254740993 AS n" };
    await expect(db.batch([unreadable])).rejects.toMatchObject({ code: 'CONSTRAINT' });
    expect(await countOf(db)).toBe(0);
    await db.close();
  });

  it('puts at most so many batches, and so many statements, into one transaction', async () => {
    const { db } = await open();
    await Promise.all(
      Array.from({ length: 2 * limits.groupCommitBatches + 1 }, (_, n) => db.batch([insert(`${n}`)])),
    );
    expect(db.stats().commits).toBe(3);
    const half = Array.from({ length: limits.batchStatements / 2 + 1 }, () => ({ sql: 'DELETE FROM t' }));
    await Promise.all([db.batch(half), db.batch(half)]);
    expect(db.stats().commits).toBe(5);
    await db.close();
  });

  it('turns callers away when too many writes wait, and takes them again later', async () => {
    const { db } = await open();
    const row = { sql: 'DELETE FROM t WHERE id = 0' };
    const waiting = Array.from({ length: limits.writeQueue }, () => db.batch([row]));
    await expect(db.batch([row])).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(await Promise.all(waiting)).toHaveLength(limits.writeQueue);
    await db.batch([row]);
    await db.close();
  });
});
