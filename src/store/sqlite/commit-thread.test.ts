import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock, realClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { databaseSuite } from '../database.suite.ts';
import type { Statement } from '../database.ts';
import { CommitThreadHost } from './commit-thread-host.ts';
import { type Connection, openReader, openWriter } from './connection.ts';
import { HeavyLoad, type Load } from './heavy-load.ts';
import { loadSqlite } from './library.ts';
import { isAnswered, SlowDisk } from './slow-disk.suite.ts';
import { openSqlite, SqliteDatabase } from './sqlite.ts';

const compiled = new URL('../../../dist/store/sqlite/commit-thread.js', import.meta.url);
const always: Load = { ran: () => undefined, isHeavy: () => true };

let dir = '';
let count = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-thread-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const freshFile = (): string => join(dir, `${++count}.db`);

/** A store whose thread is up: every transaction that follows is committed by it. */
async function openBeside(file = freshFile(), program = compiled): Promise<SqliteDatabase> {
  const db = await openSqlite({ file, clock: realClock, log: silentLog, thread: { program, load: always } });
  await db.batch([{ sql: 'CREATE TABLE begun (n INTEGER)' }]);
  while (db.stats().beside === 0) await db.batch([{ sql: 'INSERT INTO begun VALUES (1)' }]);
  return db;
}

databaseSuite('SQLite file, committed in a thread of its own', () => openBeside());

/** Of the given number of rows: a thousand take about a millisecond. */
const rows = (n: number): Statement => ({
  sql: `INSERT INTO t (s) WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?)
    SELECT 'row ' || i FROM c`,
  args: [n],
});
const table: Statement = { sql: 'CREATE TABLE t (s TEXT)' };

describe('the thread that commits', () => {
  it('is begun by heavy transactions, one after another, and by nothing else', async () => {
    const db = await openSqlite({
      file: freshFile(),
      clock: realClock,
      log: silentLog,
      thread: { program: compiled },
    });
    await db.batch([table]);
    for (let n = 0; n < 200; n++) await db.batch([rows(1)]);
    expect(db.stats().beside).toBe(0);
    while (db.stats().beside === 0) await db.batch([rows(20_000)]);
    await db.close();
  });

  it('has committed all that was accepted before the store is closed', async () => {
    const file = freshFile();
    const db = await openBeside(file);
    await db.batch([table]);
    const waiting = Promise.all(Array.from({ length: 50 }, () => db.batch([rows(100)])));
    await db.close();
    await waiting;
    const again = await openSqlite({ file, clock: realClock, log: silentLog });
    expect(await again.query({ sql: 'SELECT count(*) AS n FROM t' })).toEqual([{ n: 5_000 }]);
    await again.close();
  });

  it('ends with the load, and the next load has another', async () => {
    let isHeavy = true;
    const load: Load = { ran: () => undefined, isHeavy: () => isHeavy };
    const clock = new FakeClock();
    const thread = { program: compiled, load };
    const db = await openSqlite({ file: freshFile(), clock, log: silentLog, thread });
    await db.batch([table]);
    while (db.stats().beside === 0) await db.batch([rows(1)]);
    isHeavy = false;
    clock.advance(10_000);
    const before = db.stats().beside;
    await db.batch([rows(1)]);
    isHeavy = true;
    while (db.stats().beside === before) await db.batch([rows(1)]);
    await db.close();
  });

  it('that dies leaves a store that answers no more, because nobody knows what it has committed', async () => {
    const program = join(dir, 'dies.mjs');
    writeFileSync(
      program,
      `import { parentPort } from 'node:worker_threads';
       parentPort.on('message', () => process.exit(1));
       parentPort.postMessage({ kind: 'ready' });`,
    );
    const open = openBeside(freshFile(), pathToFileURL(program));
    await expect(open).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  /** Its program, which takes a while to begin. */
  function slowProgram(): URL {
    const program = join(dir, 'slow.mjs');
    const wait = 'await new Promise((resolve) => setTimeout(resolve, 300));';
    writeFileSync(program, `${wait} await import(${JSON.stringify(compiled.href)});`);
    return pathToFileURL(program);
  }

  it('that is told to end before it is ready is waited for by a process that has nothing else to do', async () => {
    const dist = new URL('../../../dist/', import.meta.url).href;
    const program = `
      import { openSqlite } from '${dist}store/sqlite/sqlite.js';
      import { realClock } from '${dist}platform/clock.js';
      import { silentLog } from '${dist}platform/log.js';
      const load = { ran: () => undefined, isHeavy: () => true };
      const thread = { program: new URL('${slowProgram().href}'), load };
      const db = await openSqlite({ file: ${JSON.stringify(freshFile())}, clock: realClock, log: silentLog, thread });
      await db.batch([{ sql: 'CREATE TABLE t (s TEXT)' }]);
      await db.close();
      console.log('closed');`;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect((await run).stdout).toBe('closed\n');
  });

  it('that is told to end before it is ready harms nothing', async () => {
    let isHeavy = true;
    const load: Load = { ran: () => undefined, isHeavy: () => isHeavy };
    const clock = new FakeClock();
    const thread = { program: slowProgram(), load };
    const db = await openSqlite({ file: freshFile(), clock, log: silentLog, thread });
    await db.batch([table]);
    isHeavy = false;
    clock.advance(10_000);
    isHeavy = true;
    while (db.stats().beside === 0) await db.batch([rows(1)]);
    await db.close();
  });

  it('that cannot begin leaves all to this one', async () => {
    const program = join(dir, 'fails.mjs');
    writeFileSync(program, 'throw new Error("no room")');
    const db = await openSqlite({
      file: freshFile(),
      clock: realClock,
      log: silentLog,
      thread: { program: pathToFileURL(program), load: always },
    });
    await db.batch([table]);
    const untilMs = performance.now() + 200;
    while (performance.now() < untilMs) await db.batch([rows(1)]);
    expect(db.stats().beside).toBe(0);
    await db.close();
  });
});

describe('what the thread has committed', () => {
  let disk: SlowDisk;
  let db: SqliteDatabase;
  let isHeavy = true;
  let onFile: Connection;

  beforeEach(async () => {
    const file = freshFile();
    await (await openBeside(file)).close();
    const library = await loadSqlite();
    const deps = { file, clock: realClock, log: silentLog };
    disk = new SlowDisk(new FakeClock());
    isHeavy = true;
    const load: Load = { ran: () => undefined, isHeavy: () => isHeavy };
    onFile = openReader(library, file);
    const thread = new CommitThreadHost({ ...deps, program: compiled, load });
    const [writer, reader] = [openWriter(library, file), openReader(library, file)];
    db = new SqliteDatabase({ ...deps, writer, reader, flush: disk, thread });
    await db.batch([table]);
    thread.ran(0);
    while (!thread.isWanted) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  afterEach(async () => {
    await db.close();
    onFile.close();
  });

  const countAs = { sql: 'SELECT count(*) AS n FROM t' };

  /** Until so many rows are committed, on disk or not. */
  async function committed(n: number): Promise<void> {
    while (onFile.rows(countAs)[0]?.['n'] !== n) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it('is neither answered nor read before it is on disk, while it commits more', async () => {
    const first = db.batch([rows(1)]);
    await committed(1);
    const second = db.batch([rows(1)]);
    await committed(2);
    const read = db.query(countAs);
    expect(await Promise.all([first, second, read].map(isAnswered))).toEqual([false, false, false]);
    disk.write();
    expect(await Promise.all([first, second, read].map(isAnswered))).toEqual([true, false, false]);
    disk.write();
    await second;
    expect(await read).toEqual([{ n: 2 }]);
    expect(db.stats().beside).toBe(2);
  });

  it('holds up who reads what the main thread committed after it', async () => {
    const first = db.batch([rows(1)]);
    await committed(1);
    while (disk.waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    isHeavy = false;
    const second = db.batch([rows(1)]);
    await committed(2);
    const read = db.query(countAs);
    disk.write();
    await first;
    expect(await Promise.all([second, read].map(isAnswered))).toEqual([false, false]);
    disk.write();
    await second;
    expect(await read).toEqual([{ n: 2 }]);
  });

  it('is not answered as written or read when the disk failed', async () => {
    const first = db.batch([rows(1)]);
    await committed(1);
    while (disk.waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    disk.waiting.shift()?.reject(new Error('no disk'));
    await expect(first).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(db.batch([rows(1)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(db.query(countAs)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('heavy load', () => {
  const isHeavyAfter = (...tookMs: number[]): boolean => {
    const load = new HeavyLoad();
    let nowMs = 0;
    for (const ms of tookMs) {
      nowMs += ms;
      load.ran(ms, nowMs);
    }
    return load.isHeavy(nowMs);
  };

  it('is four heavy transactions with little between them', () => {
    expect(isHeavyAfter(5, 5, 5)).toBe(false);
    expect(isHeavyAfter(5, 5, 5, 5)).toBe(true);
    expect(isHeavyAfter(5, 1, 5, 1, 5, 1, 5)).toBe(true);
    expect(isHeavyAfter(1, 1, 1, 1, 1, 1)).toBe(false);
  });

  it('is over after 50 ms without one', () => {
    const load = new HeavyLoad();
    for (const nowMs of [0, 10, 20, 30]) load.ran(5, nowMs);
    expect([load.isHeavy(80), load.isHeavy(81)]).toEqual([true, false]);
    load.ran(5, 81);
    expect(load.isHeavy(81)).toBe(false);
  });
});
