import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { AdaptiveCommitter } from './adaptive-committer.ts';
import { openReader, openWriter } from './connection.ts';
import { loadSqlite } from './library.ts';
import { committerOn, SqliteDatabase } from './sqlite.ts';
import { ThreadedCommitter } from './threaded-committer.ts';
import type { Batch, Outcome } from './transactions.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'blixard-thread-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

// Sources run here, which a thread cannot read by itself.
const script = `import { register } from '${import.meta.resolve('tsx/esm/api')}';
  register();
  await import('${new URL('./commit-thread.ts', import.meta.url)}');`;
const openThread = (file: string): Promise<ThreadedCommitter> =>
  ThreadedCommitter.open(file, silentLog, new URL(`data:text/javascript,${encodeURIComponent(script)}`));

describe('a thread that writes', () => {
  it('gives each batch what it would have got in the main thread, and undoes those that are refused', async () => {
    const file = join(dir, 'a.db');
    const committer = await openThread(file);
    const reader = openReader(await loadSqlite(), file);
    const db = new SqliteDatabase({ committer, reader, log: silentLog });
    const values = ['ä😀', 2 ** 53 - 1, -1.5, null];
    await db.batch([{ sql: 'CREATE TABLE t (a ANY UNIQUE) STRICT' }]);
    const add = { sql: 'INSERT INTO t VALUES (?) RETURNING a, 7 AS n' };
    const settled = await Promise.allSettled([
      db.batch(values.map((value) => ({ ...add, args: [value] }))),
      db.batch([
        { sql: 'INSERT INTO t VALUES (?)', args: ['gone'] },
        { ...add, args: [-1.5] },
      ]),
      db.batch([
        { sql: 'UPDATE t SET a = 1 WHERE a IS NULL' },
        { sql: 'DELETE FROM t WHERE a = 2 RETURNING a' },
      ]),
    ]);
    const problem = expect.stringContaining('UNIQUE');
    expect(settled).toMatchObject([
      { value: values.map((a) => ({ rows: [{ a, n: 7 }], changes: 1 })) },
      { reason: { code: 'CONSTRAINT', details: { statement: '1', problem } } },
      {
        value: [
          { rows: [], changes: 1 },
          { rows: [], changes: 0 },
        ],
      },
    ]);
    expect((await db.query({ sql: 'SELECT a FROM t' })).length).toBe(4);
    expect(db.stats()).toMatchObject({ commits: 2, batches: 4 });
    const last = db.batch([{ ...add, args: ['last'] }]);
    await db.close();
    expect(await last).toEqual([{ rows: [{ a: 'last', n: 7 }], changes: 1 }]);
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  });

  it('begins with some batches while others are still made', async () => {
    const file = join(dir, 'a.db');
    const committer = Object.assign(await openThread(file), { isBeside: true });
    const db = new SqliteDatabase({
      committer,
      reader: openReader(await loadSqlite(), file),
      log: silentLog,
    });
    await db.batch([{ sql: 'CREATE TABLE t (a INTEGER)' }]);
    await Promise.all(Array.from({ length: 50 }, () => db.batch([{ sql: 'INSERT INTO t VALUES (1)' }])));
    expect(db.stats()).toMatchObject({ commits: 3, batches: 51 });
    await db.close();
  });

  it('that cannot open the file is none', async () => {
    await expect(openThread(join(dir, 'no', 'folder.db'))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });
});

const insert = (text: string): Batch => [
  {
    statement: { sql: 'INSERT INTO t (s) VALUES (?)', args: [text] },
    facts: { kind: 'write', givesRows: false },
  },
];

const longMs = 20;

/** Commits that take as long as is said, in SQLite in this thread. */
async function scene(open: (file: string) => Promise<ThreadedCommitter>) {
  const file = join(dir, 'a.db');
  const clock = new FakeClock();
  const writer = openWriter(await loadSqlite(), file);
  writer.exec('CREATE TABLE t (s TEXT)');
  const inner = committerOn(writer, silentLog);
  const busy = { ms: 0, here: 0 };
  const here = {
    commit: (group: readonly Batch[]): readonly Outcome[] | Promise<readonly Outcome[]> => {
      busy.here++;
      const end = performance.now() + busy.ms;
      while (performance.now() < end);
      return inner.commit(group);
    },
    close: () => inner.close(),
  };
  const committer = new AdaptiveCommitter({ here, open: () => open(file), clock, log: silentLog, longMs });
  const rows = () => openReader(library, file).rows({ sql: 'SELECT s FROM t ORDER BY rowid' });
  const library = await loadSqlite();
  return { committer, clock, busy, rows };
}

describe('commits', () => {
  it('are made beside the main thread while they are long, and here again after a calm', async () => {
    let beside: ThreadedCommitter | undefined;
    const { committer, clock, busy, rows } = await scene(async (file) => (beside = await openThread(file)));
    busy.ms = longMs;
    for (const text of ['1', '2', '3']) await committer.commit([insert(text)]);
    expect(committer.isBeside).toBe(false);
    await committer.commit([insert('4')]);
    await expect.poll(() => beside).toBeDefined();
    const before = busy.here;
    await committer.commit([insert('5')]);
    expect([committer.isBeside, busy.here]).toEqual([true, before]);
    clock.advance(60_000);
    busy.ms = 0;
    // One that was long by chance begins the calm anew.
    await expect
      .poll(async () => {
        clock.advance(60_000);
        await committer.commit([insert('more')]);
        return committer.isBeside;
      })
      .toBe(false);
    expect(rows().slice(0, 5)).toEqual(['1', '2', '3', '4', '5'].map((s) => ({ s })));
    await committer.close();
  });

  it('are made in the main thread when there can be no other', async () => {
    const { committer, busy, rows } = await scene(() => Promise.reject(new Error('no thread')));
    busy.ms = longMs;
    for (let n = 0; n < 6; n++) await committer.commit([insert(`${n}`)]);
    expect([committer.isBeside, busy.here, rows().length]).toEqual([false, 6, 6]);
    await committer.close();
  });

  it('go on in the main thread when the other one has died', async () => {
    let beside: ThreadedCommitter | undefined;
    const { committer, busy, rows } = await scene(async (file) => (beside = await openThread(file)));
    busy.ms = longMs;
    for (let n = 0; n < 4; n++) await committer.commit([insert(`${n}`)]);
    await expect.poll(() => beside).toBeDefined();
    await beside?.close();
    await committer.commit([insert('after')]);
    expect([committer.isBeside, rows().length]).toEqual([false, 5]);
    await committer.close();
  });
});
