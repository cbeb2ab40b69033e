import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import type { Row } from '../store/database.ts';
import { openControl, trueJob } from './control.suite.ts';
import { readSpecPage } from './spec-pages.ts';

describe('pages of jobs with large specs', () => {
  it('end early with a cursor, in every kind of list, and show every job once', async () => {
    const control = await openControl();
    const { id } = await control.jobs.submit(trueJob);
    const child = { ...trueJob, after: [id], labels: { a: 'b' } };
    await control.jobs.submitAll(Array.from({ length: 35 }, () => child));
    const spec = "json_set(spec, '$.stdinBase64', printf('%.*c', 4000000, 'A'))";
    await control.db.batch([{ sql: `UPDATE job_data SET spec = ${spec} WHERE seq > 1` }]);
    const lists = [
      (cursor: object) => control.queries.list({ limit: 500, ...cursor }),
      (cursor: object) => control.queries.list({ limit: 500, label: ['a=b'], ...cursor }),
      (cursor: object) => control.queries.children(id, { limit: 500, ...cursor }),
    ];
    for (const list of lists) {
      const sizes: number[] = [];
      const seen = new Set<string>();
      let next: string | null = '';
      while (next !== null) {
        const page = await list(next === '' ? {} : { cursor: next });
        sizes.push(page.jobs.length);
        for (const job of page.jobs) if (job.id !== id) seen.add(job.id);
        next = page.nextCursor;
      }
      expect([sizes.slice(0, 2), sizes.length, seen.size]).toEqual([[17, 17], 3, 35]);
    }
    await control.close();
  }, 30_000);
});

describe('a page of specs', () => {
  /** So many rows, each with a spec of this length. */
  const store = (count: number, length: number) => {
    const asked: number[] = [];
    const read = async (from: number, limit: number): Promise<Row[]> => {
      asked.push(limit);
      const left = Math.max(0, Math.min(limit, count - from));
      return Array.from({ length: left }, (_, n) => ({ seq: from + n + 1, job: 'x'.repeat(length) }));
    };
    const page = (from: number, limit: number) =>
      readSpecPage({ from, limit, read, keyOf: (row) => Number(row['seq']), spec: 'job' });
    return { asked, page };
  };

  it('is read in steps of a bounded number of specs', async () => {
    const { asked, page } = store(1_000, 10);
    const { rows, next } = await page(0, 2 * limits.specsPerRead + 1);
    expect(asked).toEqual([limits.specsPerRead, limits.specsPerRead, 1]);
    expect([rows.length, next]).toEqual([2 * limits.specsPerRead + 1, 2 * limits.specsPerRead + 1]);
  });

  it('ends with the spec that reaches the bound, and has one at least', async () => {
    const half = store(10, limits.pageSpecsLength / 2);
    expect(await half.page(0, 10)).toMatchObject({ rows: [{ seq: 1 }, { seq: 2 }], next: 2 });
    const less = store(10, limits.pageSpecsLength / 2 - 1);
    expect(await less.page(0, 10)).toMatchObject({ rows: [{ seq: 1 }, { seq: 2 }, { seq: 3 }], next: 3 });
    const whole = store(10, limits.pageSpecsLength);
    expect(await whole.page(8, 10)).toMatchObject({ rows: [{ seq: 9 }], next: 9 });
  });

  it('has none behind it when fewer were there than asked for', async () => {
    const { page } = store(10, 10);
    expect(await page(0, 10)).toMatchObject({ rows: { length: 10 }, next: 10 });
    expect(await page(0, 11)).toMatchObject({ rows: { length: 10 }, next: null });
    expect(await page(10, 10)).toEqual({ rows: [], next: null });
  });
});
