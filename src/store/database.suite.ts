/** What every Database must do, whatever stands behind it. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import type { Database, ReadLevel, Statement } from './database.ts';
import { valuesSuite } from './database-values.suite.ts';

const items =
  'CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER CHECK (n >= 0)) STRICT';
const readLevels: readonly ReadLevel[] = ['any', 'leader', 'linearizable'];

const insert = (id: number, name: string | null = `name ${id}`, n = 0): Statement => ({
  sql: 'INSERT INTO items (id, name, n) VALUES (?, ?, ?)',
  args: [id, name, n],
});
const add = (id: number, n: number): Statement => ({
  sql: 'UPDATE items SET n = n + ? WHERE id = ?',
  args: [n, id],
});

/** Runs the suite; `open` gives a fresh, empty database each time. */
export function databaseSuite(title: string, open: () => Promise<Database>): void {
  describe(`Database: ${title}`, () => {
    let db: Database;
    beforeEach(async () => {
      db = await open();
      await db.batch([{ sql: items }]);
    });
    afterEach(() => db.close());

    const ids = async (): Promise<unknown[]> =>
      (await db.query({ sql: 'SELECT id FROM items ORDER BY id' })).map((row) => row['id']);

    describe('batch', () => {
      it('gives rows for RETURNING, else none, and the count of written rows either way', async () => {
        const results = await db.batch([
          insert(1),
          {
            sql: 'INSERT INTO items (id, name, n) VALUES (2, ?, 7), (3, ?, 8) RETURNING id, name, n',
            args: ['b', 'c'],
          },
          { sql: 'UPDATE items SET n = 9' },
          { sql: 'UPDATE items SET n = 9 WHERE id = 99 RETURNING id' },
          { sql: 'DELETE FROM items WHERE id = 99' },
        ]);
        expect(results.map((result) => result.changes)).toEqual([1, 2, 3, 0, 0]);
        expect(results.map((result) => result.rows.length)).toEqual([0, 2, 0, 0, 0]);
        expect([...(results[1]?.rows ?? [])].sort((a, b) => Number(a['id']) - Number(b['id']))).toStrictEqual(
          [
            { id: 2, name: 'b', n: 7 },
            { id: 3, name: 'c', n: 8 },
          ],
        );
      });

      it('counts no rows for a change of schema', async () => {
        const [, created] = await db.batch([insert(1), { sql: 'CREATE TABLE other (id INTEGER)' }]);
        expect(created).toEqual({ rows: [], changes: 0 });
      });

      it('does nothing and resolves when it is empty', async () => {
        expect(await db.batch([])).toEqual([]);
      });

      it('runs its statements in order, each seeing those before it', async () => {
        await db.batch([insert(1), add(1, 5), { sql: 'INSERT INTO items SELECT 2, n, n * 2 FROM items' }]);
        expect(await db.query({ sql: 'SELECT n FROM items WHERE id = 2' })).toEqual([{ n: 10 }]);
      });

      it.each([
        ['unique', insert(2, 'taken')],
        ['check', insert(2, 'b', -1)],
        ['type', { sql: 'INSERT INTO items (id, n) VALUES (2, ?)', args: ['not a number'] }],
        ['unknown table', { sql: 'INSERT INTO nowhere (id) VALUES (2)' }],
        ['syntax', { sql: 'INSERT INTO items VALUES VALUES' }],
      ])('rejects with CONSTRAINT (%s) and writes nothing of the batch', async (_title, bad) => {
        await db.batch([insert(1, 'taken')]);
        await expect(db.batch([insert(7), add(1, 3), bad, insert(8)])).rejects.toMatchObject({
          code: 'CONSTRAINT',
          details: { statement: '2' },
        });
        expect(await db.query({ sql: 'SELECT id, n FROM items' })).toEqual([{ id: 1, n: 0 }]);
      });

      it('keeps a statement that writes many rows whole', async () => {
        await db.batch([insert(1), insert(2)]);
        const bad = { sql: 'INSERT INTO items SELECT id + 1, NULL, 0 FROM items' };
        await expect(db.batch([bad])).rejects.toMatchObject({ code: 'CONSTRAINT' });
        expect(await ids()).toEqual([1, 2]);
      });

      it('isolates concurrent batches: one that fails undoes only itself', async () => {
        const settled = await Promise.allSettled([
          db.batch([insert(1), insert(2)]),
          db.batch([insert(3), insert(1), insert(4)]),
          db.batch([insert(5)]),
          db.batch([insert(5)]),
          db.batch([{ ...insert(6), sql: `${insert(6).sql} RETURNING id` }]),
        ]);
        expect(settled.map((each) => each.status)).toEqual([
          'fulfilled',
          'rejected',
          'fulfilled',
          'rejected',
          'fulfilled',
        ]);
        expect(await ids()).toEqual([1, 2, 5, 6]);
      });

      it('runs and answers concurrent batches in the order of the calls', async () => {
        await db.batch([insert(1)]);
        const answered: number[] = [];
        const call = async (n: number): Promise<unknown> => {
          const [result] = await db.batch([
            { sql: 'UPDATE items SET n = n + 1 WHERE id = 1 AND n = ? RETURNING n', args: [n] },
          ]);
          answered.push(n);
          return result?.rows[0]?.['n'];
        };
        const calls = Array.from({ length: 1_200 }, (_, n) => n);
        expect(await Promise.all(calls.map(call))).toEqual(calls.map((n) => n + 1));
        expect(answered).toEqual(calls);
      });

      it('lets one of two callers win a compare and set', async () => {
        await db.batch([insert(1)]);
        const take = { sql: 'UPDATE items SET n = 1 WHERE id = 1 AND n = 0' };
        const results = await Promise.all([db.batch([take]), db.batch([take])]);
        expect(results.map((each) => each[0]?.changes).sort()).toEqual([0, 1]);
      });

      it('takes ON CONFLICT as an answer, not as an error', async () => {
        const once = { ...insert(1, 'a', 1), sql: `${insert(1).sql} ON CONFLICT DO NOTHING RETURNING id` };
        const upsert = {
          ...insert(1, 'a', 5),
          sql: `${insert(1).sql} ON CONFLICT (id) DO UPDATE SET n = excluded.n`,
        };
        const results = await db.batch([once, once, upsert]);
        expect(results.map((result) => result.changes)).toEqual([1, 0, 1]);
        expect(await db.query({ sql: 'SELECT n FROM items' })).toEqual([{ n: 5 }]);
      });

      it('sees new columns with statements it has run before', async () => {
        await db.batch([insert(1)]);
        await db.query({ sql: 'SELECT * FROM items' });
        await db.batch([{ sql: 'ALTER TABLE items ADD COLUMN later INTEGER DEFAULT 4' }]);
        expect(await db.query({ sql: 'SELECT * FROM items' })).toEqual([
          { id: 1, name: 'name 1', n: 0, later: 4 },
        ]);
      });

      it('refuses more statements than a batch may have', async () => {
        const many = Array.from({ length: limits.batchStatements }, (_, id) => insert(id));
        await expect(db.batch([...many, insert(-1)])).rejects.toMatchObject({ code: 'OVERLOADED' });
        expect(await db.batch(many)).toHaveLength(limits.batchStatements);
      });

      it('equals, interleaved at random, the same batches run one by one', async () => {
        const step = fc.oneof(
          fc.record({ do: fc.constant('insert' as const), id: fc.integer({ min: 1, max: 6 }) }),
          fc.record({
            do: fc.constant('add' as const),
            id: fc.integer({ min: 1, max: 6 }),
            n: fc.integer({ min: -2, max: 3 }),
          }),
          fc.record({ do: fc.constant('delete' as const), id: fc.integer({ min: 1, max: 6 }) }),
        );
        const batches = fc.array(
          fc.record({ steps: fc.array(step, { maxLength: 4 }), turnBefore: fc.boolean() }),
          { maxLength: 12 },
        );
        await fc.assert(
          fc.asyncProperty(batches, async (plan) => {
            await db.batch([{ sql: 'DELETE FROM items' }]);
            const together = await runTogether(db, plan);
            const stateTogether = await db.query({ sql: 'SELECT * FROM items ORDER BY id' });
            await db.batch([{ sql: 'DELETE FROM items' }]);
            expect(together).toEqual(await runOneByOne(db, plan));
            expect(stateTogether).toEqual(await db.query({ sql: 'SELECT * FROM items ORDER BY id' }));
          }),
          { numRuns: 60 },
        );
      });
    });

    describe('query', () => {
      it.each(readLevels)('reads its own write at level %s', async (level) => {
        for (let id = 1; id <= 20; id++) {
          await db.batch([insert(id)]);
          const rows = await db.query({ sql: 'SELECT name FROM items WHERE id = ?', args: [id] }, { level });
          expect(rows).toStrictEqual([{ name: `name ${id}` }]);
        }
      });

      it('never sees a part of a batch', async () => {
        const write = db.batch([insert(1), insert(2), insert(3)]);
        const seen: unknown[] = [];
        let done = false;
        void write.finally(() => {
          done = true;
        });
        while (!done) {
          seen.push((await ids()).length);
          await new Promise((resolve) => setImmediate(resolve));
        }
        seen.push((await ids()).length);
        expect(seen.filter((count) => count !== 0 && count !== 3)).toEqual([]);
        expect(seen.at(-1)).toBe(3);
      });

      it('rejects SQL that cannot run, and goes on', async () => {
        await expect(db.query({ sql: 'SELECT nothing FROM items' })).rejects.toMatchObject({
          code: 'CONSTRAINT',
        });
        expect(await ids()).toEqual([]);
      });

      it('refuses to write, and batch refuses to read', async () => {
        await expect(db.query(insert(1))).rejects.toMatchObject({ code: 'CONSTRAINT' });
        await expect(db.batch([{ sql: 'SELECT 1' }])).rejects.toMatchObject({ code: 'CONSTRAINT' });
        expect(await ids()).toEqual([]);
      });
    });

    valuesSuite(() => db);

    describe('close', () => {
      it('finishes what waits, then refuses every call', async () => {
        const waiting = [db.batch([insert(1)]), db.batch([insert(2)])];
        await db.close();
        expect(await Promise.all(waiting)).toHaveLength(2);
        await expect(db.batch([insert(3)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
        await expect(db.query({ sql: 'SELECT 1' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
        await db.close();
      });
    });
  });
}

interface Step {
  readonly do: 'insert' | 'add' | 'delete';
  readonly id: number;
  readonly n?: number;
}
type Plan = readonly { readonly steps: readonly Step[]; readonly turnBefore: boolean }[];

function statementOf(step: Step): Statement {
  if (step.do === 'insert') return { ...insert(step.id), sql: `${insert(step.id).sql} RETURNING id` };
  if (step.do === 'add') return add(step.id, step.n ?? 0);
  return { sql: 'DELETE FROM items WHERE id = ?', args: [step.id] };
}

const outcomeOf = (batch: Promise<unknown>): Promise<unknown> =>
  batch.catch((error: { code: string }) => error.code);

async function runTogether(db: Database, plan: Plan): Promise<unknown[]> {
  const running: Promise<unknown>[] = [];
  for (const { steps, turnBefore } of plan) {
    if (turnBefore) await new Promise((resolve) => setImmediate(resolve));
    running.push(outcomeOf(db.batch(steps.map(statementOf))));
  }
  return Promise.all(running);
}

async function runOneByOne(db: Database, plan: Plan): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  for (const { steps } of plan) outcomes.push(await outcomeOf(db.batch(steps.map(statementOf))));
  return outcomes;
}
