import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import type { Statement } from '../database.ts';
import { openWriter } from './connection.ts';
import { loadSqlite } from './library.ts';
import { SqliteDatabase } from './sqlite.ts';
import type { WalFlush } from './wal-flush.ts';

/** A disk that writes when the test says so. */
class SlowDisk implements WalFlush {
  flushed = 0;
  problem: Error | undefined;
  nowMs = 0;
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  now(): void {
    this.#clock.advance(this.nowMs);
    if (this.problem !== undefined) throw this.problem;
    this.flushed++;
  }

  later(): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  write(): void {
    this.flushed++;
    this.waiting.shift()?.resolve();
  }

  close(): void {
    this.waiting.length = 0;
  }
}

let disk: SlowDisk;
let db: SqliteDatabase;
beforeEach(async () => {
  const clock = new FakeClock();
  disk = new SlowDisk(clock);
  const writer = openWriter(await loadSqlite(), ':memory:');
  writer.exec('CREATE TABLE t (a INTEGER)');
  db = new SqliteDatabase({ writer, reader: writer, clock, log: silentLog, flush: disk });
});
afterEach(() => db.close());

const rows = (count: number): Statement[] => [
  { sql: 'INSERT INTO t SELECT value FROM json_each(?)', args: [JSON.stringify(Array(count).fill(1))] },
];
const large = rows(limits.quickCommitRows + 1);
const small = rows(limits.quickCommitRows);

/** Whether it has been answered by now. */
async function isAnswered(promise: Promise<unknown>): Promise<boolean> {
  let answered = false;
  const note = (): void => {
    answered = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return answered;
}

const unavailable = { code: 'STORE_UNAVAILABLE', details: { problem: expect.stringContaining('no disk') } };

describe('what is committed', () => {
  it('is not answered before it is on disk, and what is committed meanwhile shares the next flush', async () => {
    const first = db.batch(large);
    expect(await isAnswered(first)).toBe(false);
    const second = db.batch(large);
    expect(await isAnswered(second)).toBe(false);
    const third = db.batch(small);
    expect(await isAnswered(third)).toBe(false);
    disk.write();
    expect(await isAnswered(first)).toBe(true);
    expect(await isAnswered(second)).toBe(false);
    disk.write();
    expect(await Promise.all([second, third].map(isAnswered))).toEqual([true, true]);
    expect(disk.flushed).toBe(2);
  });

  it('is flushed at once when it is small, unless the disk is slow', async () => {
    await db.batch(small);
    disk.nowMs = 5;
    await db.batch(small);
    expect([disk.flushed, disk.waiting.length]).toEqual([2, 0]);
    const third = db.batch(small);
    expect(await isAnswered(third)).toBe(false);
    disk.write();
    await third;
    disk.nowMs = 0;
    await db.batch(small);
    expect([disk.flushed, disk.waiting.length]).toEqual([4, 0]);
  });

  it('is not told to who reads it before it is on disk', async () => {
    const write = db.batch(large);
    await isAnswered(write);
    const read = db.query({ sql: 'SELECT count(*) AS n FROM t' });
    expect(await isAnswered(read)).toBe(false);
    disk.write();
    expect(await read).toEqual([{ n: limits.quickCommitRows + 1 }]);
  });

  it('waits in a bounded queue when the disk hangs', async () => {
    const first = db.batch(large);
    await isAnswered(first);
    const all = Array.from({ length: limits.writeQueue - 1 }, () => db.batch(rows(1)));
    await expect(db.batch(small)).rejects.toMatchObject({ code: 'OVERLOADED' });
    const answered = Promise.all([first, ...all]);
    while (!(await isAnswered(answered))) disk.write();
    await db.batch(small);
  });

  it('is on disk when the store is closed', async () => {
    const write = db.batch(large);
    const closing = db.close();
    expect(await isAnswered(closing)).toBe(false);
    disk.write();
    await closing;
    await write;
  });
});

describe('after a flush that failed', () => {
  it('nothing is answered as written or read any more, because nobody knows what is on disk', async () => {
    const first = db.batch(large);
    await isAnswered(first);
    const second = db.batch(large);
    await isAnswered(second);
    disk.waiting.shift()?.reject(new Error('no disk'));
    await expect(first).rejects.toMatchObject(unavailable);
    expect(await isAnswered(second)).toBe(false);
    disk.write();
    await expect(second).rejects.toMatchObject(unavailable);
    await expect(db.batch(small)).rejects.toMatchObject(unavailable);
    await expect(db.query({ sql: 'SELECT a FROM t' })).rejects.toMatchObject(unavailable);
  });

  it('the same when it was one of this thread', async () => {
    disk.problem = new Error('no disk');
    await expect(db.batch(small)).rejects.toMatchObject(unavailable);
    disk.problem = undefined;
    await expect(db.batch(small)).rejects.toMatchObject(unavailable);
  });
});
