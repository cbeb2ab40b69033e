import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job, SubmitJob } from '../../contract/job.ts';
import { isBlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, openControl, trueJob } from '../control.suite.ts';
import { draftOf } from './draft.ts';
import { JoinedInserts } from './joined-inserts.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

/** All in one turn; what each came to: a job, or the code of its error. */
const submitAtOnce = (
  bodies: readonly (Partial<SubmitJob> & { key?: string })[],
): Promise<(Job | string)[]> =>
  Promise.all(
    bodies.map(({ key, ...body }) =>
      control.jobs
        .submit({ ...trueJob, ...body }, key)
        .catch((error: unknown) => (isBlixardError(error) ? error.code : String(error))),
    ),
  );
const idOf = (job: Job | string | undefined): string => (typeof job === 'object' ? job.id : String(job));

describe('submits of one turn', () => {
  it('are stored by fewer statements, in one commit, each under its own id', async () => {
    const before = control.db.stats();
    const jobs = await submitAtOnce(Array.from({ length: 19 }, (_, at) => ({ priority: at })));
    const { commits, statements } = control.db.stats();
    expect({ commits: commits - before.commits, statements: statements - before.statements }).toEqual({
      commits: 1,
      statements: 2 * 2 + 3 * 2,
    });
    for (const [at, job] of jobs.entries())
      expect(await control.queries.get(idOf(job))).toMatchObject({
        state: 'pending',
        spec: { priority: at },
      });
    expect(new Set(jobs.map(idOf)).size).toBe(19);
  });

  it('keep their order, also where one of them needs more than its own rows', async () => {
    const [parent] = await submitAtOnce([{}]);
    const jobs = await submitAtOnce([
      {},
      { concurrencyKey: 'k' },
      {},
      { after: [idOf(parent)] },
      {},
      {},
      { unique: { key: 'nightly', policy: 'replace' } },
    ]);
    const { jobs: newestFirst } = await control.queries.list({});
    expect(newestFirst.map(({ id }) => id).reverse()).toEqual([parent, ...jobs].map(idOf));
  });

  it('that are alike are told by one event, and more than a set may have by two', async () => {
    const before = control.db.stats();
    const jobs = await submitAtOnce(Array.from({ length: limits.submitsJoined + 19 }, () => ({})));
    const { commits, statements } = control.db.stats();
    const told = await control.db.query({ sql: "SELECT job_count FROM events WHERE kind = 'job.submitted'" });
    expect(told).toEqual([{ job_count: limits.submitsJoined }, { job_count: 19 }]);
    expect({ commits: commits - before.commits, statements: statements - before.statements }).toEqual({
      commits: 1,
      statements: 2 * 2 + 1 + 2 * (1 + 1 + 1) + 1,
    });
    expect(new Set(jobs.map(idOf)).size).toBe(limits.submitsJoined + 19);
  });

  it('have one time, also where a millisecond ends among them, and are told by one event from four on', async () => {
    const submits = (count: number): Promise<Job>[] =>
      Array.from({ length: count }, () => {
        control.clock.advance(1);
        return control.jobs.submit(trueJob);
      });
    const [four, three] = [await Promise.all(submits(4)), await Promise.all(submits(3))];
    for (const jobs of [four, three])
      expect(new Set(jobs.map(({ createdAtMs }) => createdAtMs)).size).toBe(1);
    expect((three[0]?.createdAtMs ?? 0) - (four[0]?.createdAtMs ?? 0)).toBe(4);
    const told = await control.db.query({ sql: "SELECT job_count FROM events WHERE kind = 'job.submitted'" });
    expect(told.map((row) => row['job_count'])).toEqual([4, 1, 1, 1]);
  });

  it('of a set are stored but for those that something stands in the way of', async () => {
    const [earlier] = await submitAtOnce([{}]);
    const results = await submitAtOnce([
      ...[{}, { key: 'order-1' }, { id: idOf(earlier) }, { key: 'order-1' }, {}, { id: idOf(earlier) }],
      ...Array.from({ length: 12 }, () => ({})),
    ]);
    expect(results.map((each) => (typeof each === 'string' ? each : each.state))).toEqual(
      Array(18).fill('pending'),
    );
    expect([results[2], results[5]].map(idOf)).toEqual([idOf(earlier), idOf(earlier)]);
    expect(idOf(results[3])).toBe(idOf(results[1]));
    const told = await control.db.query({ sql: "SELECT job_count FROM events WHERE kind = 'job.submitted'" });
    expect(told).toEqual([{ job_count: 1 }, { job_count: 15 }]);
  });

  it('have nothing to do with each other: what is said against one does not touch the others', async () => {
    const [earlier, other] = await submitAtOnce([{ priority: 1, key: 'order-1' }, { priority: 2 }]);
    const results = await submitAtOnce([
      { priority: 3 },
      { priority: 1, key: 'order-1' },
      { priority: 9, key: 'order-1' },
      { priority: 9, id: idOf(other) },
      { priority: 2, id: idOf(other) },
      { unique: { key: 'nightly' } },
      { unique: { key: 'nightly' } },
      { unique: { key: 'nightly', policy: 'existing' } },
      { priority: 4 },
    ]);
    expect(results.map((each) => (typeof each === 'string' ? each : each.state))).toEqual([
      'pending',
      'pending',
      'IDEMPOTENCY_CONFLICT',
      'JOB_ID_CONFLICT',
      'pending',
      'pending',
      'UNIQUE_CONFLICT',
      'pending',
      'pending',
    ]);
    expect([results[1], results[4], results[7]].map(idOf)).toEqual([earlier, other, results[5]].map(idOf));
    expect((await control.queries.list({})).jobs.length).toBe(5);
  });

  it('one whose arguments the store refuses is refused alone', async () => {
    const inserts = new JoinedInserts(control);
    const drafts = Array.from({ length: 8 }, (_, at) =>
      draftOf(
        { ...trueJob, tenant: at === 3 ? "x'00'" : 'fine' },
        { id: control.ids(), nowMs: control.clock.nowMs() },
      ),
    );
    const results = await Promise.allSettled(drafts.map((draft) => inserts.add(draft)));
    expect(results.map(({ status }) => status)).toEqual(
      drafts.map((_, at) => (at === 3 ? 'rejected' : 'fulfilled')),
    );
    expect((await control.queries.list({})).jobs.length).toBe(7);
  });
});
