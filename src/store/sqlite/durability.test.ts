import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import type { Statement } from '../database.ts';
import { openWriter } from './connection.ts';
import { loadSqlite } from './library.ts';
import { isAnswered, SlowDisk } from './slow-disk.suite.ts';
import { SqliteDatabase } from './sqlite.ts';

let disk: SlowDisk;
let db: SqliteDatabase;
beforeEach(async () => {
  const clock = new FakeClock();
  disk = new SlowDisk(clock);
  const writer = openWriter(await loadSqlite(), ':memory:');
  writer.exec('CREATE TABLE t (a INTEGER)');
  db = new SqliteDatabase({ writer, reader: writer, clock, log: silentLog, flush: disk });
  disk.nowMs = 5;
  await db.batch(insert);
});
afterEach(() => db.close());

const insert: readonly Statement[] = [{ sql: 'INSERT INTO t VALUES (1)' }];

const unavailable = { code: 'STORE_UNAVAILABLE', details: { problem: expect.stringContaining('no disk') } };

describe('what is committed to a slow disk', () => {
  it('is not answered before it is on disk, and what is committed meanwhile shares the next flush', async () => {
    const first = db.batch(insert);
    expect(await isAnswered(first)).toBe(false);
    const second = db.batch(insert);
    expect(await isAnswered(second)).toBe(false);
    const third = db.batch(insert);
    expect(await isAnswered(third)).toBe(false);
    disk.write();
    expect(await isAnswered(first)).toBe(true);
    expect(await isAnswered(second)).toBe(false);
    disk.write();
    expect(await Promise.all([second, third].map(isAnswered))).toEqual([true, true]);
    expect(disk.flushed).toBe(2);
  });

  it('is flushed beside the thread only until the disk is quick again', async () => {
    const second = db.batch(insert);
    expect(await isAnswered(second)).toBe(false);
    disk.write();
    await second;
    disk.nowMs = 0;
    await db.batch(insert);
    await db.batch(insert);
    expect([disk.flushed, disk.flushedHere, disk.waiting.length]).toEqual([1, 3, 0]);
  });

  it('is not told to who reads it before it is on disk', async () => {
    const write = db.batch(insert);
    await isAnswered(write);
    const read = db.query({ sql: 'SELECT count(*) AS n FROM t' });
    expect(await isAnswered(read)).toBe(false);
    disk.write();
    expect(await read).toEqual([{ n: 2 }]);
  });

  it('waits in a bounded queue when the disk hangs', async () => {
    const first = db.batch(insert);
    await isAnswered(first);
    const all = Array.from({ length: limits.writeQueue - 1 }, () => db.batch(insert));
    await expect(db.batch(insert)).rejects.toMatchObject({ code: 'OVERLOADED' });
    const answered = Promise.all([first, ...all]);
    while (!(await isAnswered(answered))) disk.write();
  });

  it('is on disk when the store is closed', async () => {
    const write = db.batch(insert);
    const closing = db.close();
    expect(await isAnswered(closing)).toBe(false);
    disk.write();
    await closing;
    await write;
  });
});

describe('after a flush that failed', () => {
  it('nothing is answered as written or read any more, because nobody knows what is on disk', async () => {
    const first = db.batch(insert);
    await isAnswered(first);
    const second = db.batch(insert);
    await isAnswered(second);
    disk.waiting.shift()?.reject(new Error('no disk'));
    await expect(first).rejects.toMatchObject(unavailable);
    expect(await isAnswered(second)).toBe(false);
    disk.write();
    await expect(second).rejects.toMatchObject(unavailable);
    await expect(db.batch(insert)).rejects.toMatchObject(unavailable);
    await expect(db.query({ sql: 'SELECT a FROM t' })).rejects.toMatchObject(unavailable);
  });

  it('the same when it was one of this thread', async () => {
    const quick = db.batch(insert);
    await isAnswered(quick);
    disk.write();
    await quick;
    disk.problem = new Error('no disk');
    await expect(db.batch(insert)).rejects.toMatchObject(unavailable);
    disk.problem = undefined;
    await expect(db.batch(insert)).rejects.toMatchObject(unavailable);
  });
});
