import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { jobsByIds } from '../../store/statements/batch.ts';
import { type Control, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const jobs = (count: number, more: Partial<SubmitJob> = {}): SubmitJob[] =>
  Array.from({ length: count }, (_, n) => ({ command: ['echo', String(n)], ...more }));
const countOf = async (): Promise<number> =>
  (await control.queries.stats()).jobs.reduce((sum, { count }) => sum + count, 0);

async function refused(bodies: readonly SubmitJob[], details: object): Promise<void> {
  const before = await countOf();
  await expect(control.jobs.submitAll(bodies)).rejects.toMatchObject({ code: 'BATCH_LINE_REFUSED', details });
  expect(await countOf()).toBe(before);
}

describe('a batch of jobs', () => {
  it('is stored in one commit by three statements, and answered and claimed in its order', async () => {
    const before = control.db.stats();
    const stored = await control.jobs.submitAll(jobs(limits.batchJobs));
    const after = control.db.stats();
    expect([after.commits - before.commits, after.statements - before.statements]).toEqual([1, 3]);
    expect(stored.map(({ spec }) => spec.command[1])).toEqual(
      Array.from({ length: limits.batchJobs }, (_, n) => String(n)),
    );
    expect(await control.queries.get(stored[7]?.id ?? '')).toMatchObject({
      ...stored[7],
      waiting: expect.any(String),
    });
    const worker = await TestWorker.join(control);
    const claimed = await worker.claim(10);
    expect(claimed.map(({ jobId }) => jobId)).toEqual(stored.slice(0, 10).map(({ id }) => id));
  });

  it('that is sent again is refused, and no error of ours, when one of its jobs is forgotten just then', async () => {
    const bodies = jobs(3).map((body) => ({ ...body, id: control.ids() }));
    const [, second] = await control.jobs.submitAll(bodies);
    await control.jobs.cancel(second?.id ?? '');
    const { sql } = jobsByIds.with({ ids: '' });
    const query = control.db.query.bind(control.db);
    const spy = vi.spyOn(control.db, 'query').mockImplementation(async (statement) => {
      if (statement.sql === sql) await control.forget.remove(second?.id ?? '').catch(() => 'it is gone');
      return query(statement);
    });
    await expect(control.jobs.submitAll(bodies)).rejects.toMatchObject({
      code: 'BATCH_LINE_REFUSED',
      details: { code: 'JOB_ID_CONFLICT' },
    });
    spy.mockRestore();
  });

  it('is told by one event where that says all of each job, else by one for each', async () => {
    const alike = await control.jobs.submitAll([...jobs(3), ...jobs(2, { priority: 3, group: 'g' })]);
    const apart = await control.jobs.submitAll([...jobs(2), ...jobs(1, { queue: 'other' })]);
    const told = await control.db.query({ sql: 'SELECT job_count, queue FROM events ORDER BY seq' });
    const single = { job_count: 1, queue: null };
    expect(told).toEqual([{ job_count: 5, queue: 'default' }, single, single, single]);
    for (const { id, spec } of [...alike, ...apart]) {
      const { events } = await control.queries.events(id);
      expect(events).toMatchObject([
        {
          kind: 'job.submitted',
          jobId: id,
          data: { state: 'pending', queue: spec.queue },
        },
      ]);
    }
    expect((await control.queries.stats()).jobs).toMatchObject([{ count: 7 }, { queue: 'other', count: 1 }]);
    expect(await control.groups.get('g')).toMatchObject({ counts: { pending: 2 } });
  });

  it('stores of each job what it asks for itself, however many in a row are alike', async () => {
    const bodies: SubmitJob[] = [
      ...jobs(3),
      ...jobs(2, { priority: 4, tenant: 'acme', group: 'g' }),
      ...jobs(1, { unique: { key: 'a' }, concurrencyKey: 'k' }),
      ...jobs(1, { unique: { key: 'b' }, concurrencyKey: 'k' }),
      ...jobs(2, { queue: 'later', delayMs: 1_000, expireInMs: 500, attemptsMax: 3 }),
      ...jobs(2),
      ...jobs(1, { executor: 'function', image: 'other' }),
    ];
    const columns = `queue, executor, image, state, priority, run_at_ms, expires_at_ms, unique_key, tenant,
      attempts_max, concurrency_key, after_failed, group_name, created_at_ms, updated_at_ms, waits_for_key`;
    const rows = (db: Control['db']) =>
      db.query({ sql: `SELECT ${columns}, spec FROM jobs JOIN job_data USING (seq) ORDER BY seq` });
    const stored = await control.jobs.submitAll(bodies);
    const single = await openControl();
    for (const body of bodies) await single.jobs.submit(body);
    expect(await rows(control.db)).toEqual(await rows(single.db));
    await single.close();
    for (const { id, spec, state } of stored)
      expect(await control.queries.get(id)).toMatchObject({ spec, state });
  });

  it('takes all that a single job may say, and wakes who waits for it', async () => {
    const worker = await TestWorker.join(control);
    control.scheduler.start();
    const waiting = worker.work({ want: 5, waitMs: 10_000 });
    await settle();
    const [now, later, gone] = await control.jobs.submitAll([
      { ...trueJob, priority: 7, labels: { a: 'b' }, tenant: 'acme', unique: { key: 'k' } },
      { ...trueJob, delayMs: 1_000 },
      { ...trueJob, queue: 'nobody', expireInMs: 500 },
    ]);
    expect((await waiting).claimed).toMatchObject([{ jobId: now?.id }]);
    control.clock.advance(1_000);
    await settle();
    expect((await control.queries.get(later?.id ?? '')).state).toBe('pending');
    expect(await control.queries.get(gone?.id ?? '')).toMatchObject({ state: 'failed', reason: 'expired' });
  });

  it('gives the same jobs again when its answer was lost', async () => {
    const bodies = jobs(3).map((job) => ({ ...job, id: control.ids() }));
    const first = await control.jobs.submitAll(bodies);
    expect(await control.jobs.submitAll(bodies)).toEqual(first);
    expect(await countOf()).toBe(3);
    expect((await control.queries.events(first[2]?.id ?? '')).events.length).toBe(1);
    const changed = bodies.map((job, n) => (n === 1 ? { ...job, priority: 1 } : job));
    await refused(changed, { line: 2, code: 'JOB_ID_CONFLICT' });
    await refused([...jobs(1), ...bodies], { line: 2, code: 'JOB_ID_CONFLICT' });
  });

  it('of which one has an id that is taken leaves the store as it is, and names its line', async () => {
    const [taken] = await control.jobs.submitAll(jobs(3));
    const stored = () =>
      control.db.query({
        sql: `SELECT (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM job_data) AS specs,
          (SELECT max(seq) FROM events) AS events, (SELECT pending FROM queue_counts) AS pending`,
      });
    expect(await stored()).toEqual([{ jobs: 3, specs: 3, events: 3, pending: 3 }]);
    for (const line of [1, 100, 200]) {
      const bodies = jobs(200).map((job, at) => (at === line - 1 ? { ...job, id: taken?.id } : job));
      await refused(bodies as SubmitJob[], { line, code: 'JOB_ID_CONFLICT' });
      expect(await stored()).toEqual([{ jobs: 3, specs: 3, events: 3, pending: 3 }]);
    }
    expect(await control.queries.get(taken?.id ?? '')).toMatchObject({ spec: taken?.spec });
  });

  it('stores nothing when one line cannot be stored, and names it', async () => {
    await TestWorker.join(control, { images: [{ name: 'base', digest: 'sha256:1' }] });
    const { id } = await control.jobs.submit({ ...trueJob, unique: { key: 'taken' } });
    const bad: [Partial<SubmitJob>, object][] = [
      [{ image: 'absent' }, { code: 'IMAGE_UNKNOWN', problem: expect.stringContaining('absent') as string }],
      [
        { unique: { key: 'taken' } },
        { code: 'UNIQUE_CONFLICT', problem: expect.stringContaining(id) as string },
      ],
      [{ unique: { key: 'new', policy: 'replace' } }, { code: 'VALIDATION_FAILED' }],
      [{ runAtMs: 1, delayMs: 1 }, { code: 'VALIDATION_FAILED' }],
      [{ command: ['x'.repeat(limits.jobSpecBytes)] }, { code: 'SPEC_TOO_LARGE' }],
    ];
    for (const [more, details] of bad)
      await refused([...jobs(4), { ...trueJob, ...more }], { line: 5, ...details });
    await refused(jobs(20, { image: 'absent' }), { line: 1, code: 'IMAGE_UNKNOWN' });
  });

  it('refuses two lines that ask for one place', async () => {
    const id = control.ids();
    await refused([{ ...trueJob, id }, ...jobs(1), { ...trueJob, id }], { line: 3 });
    await refused(jobs(2, { unique: { key: 'k' } }), {
      line: 2,
      problem: 'The unique key k stands on line 1, too.',
    });
  });

  it('that comes twice at the same time is stored once, beside others of that time', async () => {
    const bodies = jobs(5).map((job) => ({ ...job, id: control.ids() }));
    const [first, again] = await Promise.all([
      control.jobs.submitAll(bodies),
      control.jobs.submitAll(bodies),
      control.jobs.submit(trueJob),
      control.jobs.submitAll(jobs(2)),
    ]);
    expect(again).toEqual(first);
    expect(await countOf()).toBe(8);
  });

  it('of two that want one unique key at the same time stores one whole', async () => {
    const bodies = [...jobs(2), { ...trueJob, unique: { key: 'k' } }];
    const results = await Promise.allSettled([1, 2, 3].map(() => control.jobs.submitAll(bodies)));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await countOf()).toBe(3);
  });
});
