import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, openControl, settle, trueJob } from './control.suite.ts';
import { ForgetCommands, type JobLogs } from './forget-commands.ts';
import { Forgetter } from './forgetter.ts';
import { JobCommands } from './job-commands.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

async function cancelled(more: Partial<SubmitJob> = {}): Promise<string> {
  const { id } = await control.jobs.submit({ ...trueJob, ...more });
  await control.jobs.cancel(id);
  return id;
}

const stored = async (): Promise<string[]> => (await control.queries.list({})).jobs.map(({ id }) => id);

describe('an id that is used again', () => {
  /** A disk that is slow, or refuses, until told otherwise. */
  class Disk implements JobLogs {
    readonly asked: string[] = [];
    #answer: (error?: BlixardError) => void = () => undefined;
    readonly #answered = new Promise<BlixardError | undefined>((resolve) => {
      this.#answer = resolve;
    });

    let(): void {
      this.#answer();
    }

    refuse(): void {
      this.#answer(new BlixardError('STORE_UNAVAILABLE', { problem: 'read-only' }));
    }

    async remove(jobId: string): Promise<void> {
      this.asked.push(jobId);
      const error = await this.#answered;
      if (error !== undefined) throw error;
    }
  }

  /** A job is forgotten, and its files are still there. */
  async function forgotten(): Promise<{ id: string; disk: Disk; jobs: JobCommands; gone: Promise<unknown> }> {
    const disk = new Disk();
    const forget = new ForgetCommands({ ...control, logs: disk });
    const id = await cancelled();
    const gone = Promise.allSettled([forget.remove(id)]);
    await settle();
    expect(disk.asked).toEqual([id]);
    return { id, disk, jobs: new JobCommands({ ...control, forget }), gone };
  }

  const ways: readonly [string, (jobs: JobCommands, id: string) => Promise<unknown>][] = [
    ['alone', (jobs, id) => jobs.submit({ ...trueJob, id })],
    [
      'among others',
      (jobs, id) => Promise.all([id, ...three()].map((each) => jobs.submit({ ...trueJob, id: each }))),
    ],
    ['in a batch', (jobs, id) => jobs.submitAll([id, ...three()].map((each) => ({ ...trueJob, id: each })))],
    ['with a key', (jobs, id) => jobs.submit({ ...trueJob, id, concurrencyKey: 'a' })],
  ];
  const three = (): string[] => Array.from({ length: 3 }, () => control.ids());

  it.each(ways)('%s has none of the files of the job that had it before', async (_way, submit) => {
    const { id, disk, jobs, gone } = await forgotten();
    const again = submit(jobs, id);
    await settle();
    expect(await stored()).not.toContain(id);
    disk.let();
    await Promise.all([again, gone]);
    expect(await stored()).toContain(id);
  });

  it('replaces nothing while the files of the job that had it before are there', async () => {
    const { id, disk, jobs, gone } = await forgotten();
    const unique = { key: 'nightly', policy: 'replace' as const };
    const holder = await control.jobs.submit({ ...trueJob, unique });
    const again = jobs.submit({ ...trueJob, id, unique });
    await settle();
    expect(await control.queries.get(holder.id)).toMatchObject({ state: 'pending' });
    disk.let();
    await Promise.all([again, gone]);
    expect(await control.queries.get(holder.id)).toMatchObject({ state: 'cancelled' });
    expect(await control.queries.get(id)).toMatchObject({ state: 'pending' });
  });

  it('is refused, and may be tried again, while those files cannot be removed', async () => {
    const { id, disk, jobs } = await forgotten();
    const again = jobs.submit({ ...trueJob, id });
    disk.refuse();
    await expect(again).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await stored()).toEqual([]);
    expect(await control.jobs.submit({ ...trueJob, id })).toMatchObject({ id });
  });
});

it('files of many jobs go side by side: one after the other they took longer than the jobs themselves', async () => {
  await control.jobs.submitAll(Array.from({ length: 100 }, () => ({ ...trueJob, group: 'all' })));
  await control.groups.cancel('all');
  let [underWay, most] = [0, 0];
  const remove = async (): Promise<void> => {
    most = Math.max(most, ++underWay);
    await settle();
    underWay--;
  };
  const forget = new ForgetCommands({ ...control, logs: { remove } });
  expect(await forget.purge('default', {})).toEqual({ purged: 100, more: false });
  expect(most).toBeGreaterThan(10);
  expect(most).toBeLessThan(100);
});

describe('files that cannot be removed', () => {
  it('keep no other job, no event and no other files from being forgotten', async () => {
    const bad = await cancelled();
    const removed: string[] = [];
    const remove = async (id: string): Promise<void> => {
      if (id === bad) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'not our folder' });
      removed.push(id);
    };
    const forget = new ForgetCommands({ ...control, logs: { remove } });
    const forgetter = new Forgetter({ ...control, random: seededRandom(1), log: silentLog, forget });
    await expect(forget.remove(bad)).rejects.toThrow('not our folder');
    const [first, second] = [await cancelled(), await cancelled()];
    expect(await forget.remove(first)).toEqual({ id: first });
    expect(removed).toEqual([first]);
    control.clock.advance(defaults.retainEventsMs + 1);
    forgetter.start();
    await settle();
    expect(await stored()).toEqual([]);
    expect(removed).toEqual([first, second]);
    const kinds = await control.db.query({ sql: 'SELECT kind FROM events ORDER BY seq' });
    expect(kinds).toEqual([{ kind: 'job.forgotten' }]);
    expect(await control.db.query({ sql: 'SELECT job_id FROM logs_to_remove' })).toEqual([{ job_id: bad }]);
    await forgetter.stop();
  });
});

describe('files of one job', () => {
  /** So many jobs were forgotten, and no files of them were removed yet. */
  async function leftOf(count: number): Promise<string[]> {
    const jobs = Array.from({ length: count }, () => ({ ...trueJob, group: 'all' }));
    for (let from = 0; from < count; from += limits.batchJobs)
      await control.jobs.submitAll(jobs.slice(from, from + limits.batchJobs));
    while ((await control.groups.cancel('all')).more);
    const remove = (): Promise<void> =>
      Promise.reject(new BlixardError('STORE_UNAVAILABLE', { problem: 'not now' }));
    const forget = new ForgetCommands({ ...control, logs: { remove } });
    for (let more = true; more; ) {
      await Promise.allSettled([forget.purge('default', {})]);
      more = (await control.queries.list({})).jobs.length > 0;
    }
    const rows = await control.db.query({ sql: 'SELECT job_id FROM logs_to_remove ORDER BY job_id' });
    expect(rows).toHaveLength(count);
    return rows.map((row) => String(row['job_id']));
  }

  it('are removed before those of all others: an id that was used again waited for every file there was', async () => {
    const ids = await leftOf(3 * limits.jobsPerStep);
    let removed = 0;
    const remove = async (): Promise<void> => {
      await settle();
      removed++;
    };
    const forget = new ForgetCommands({ ...control, logs: { remove } });
    const jobs = new JobCommands({ ...control, forget });
    const all = forget.forgetDue();
    while (removed === 0) await settle();
    const id = ids.at(-1) ?? '';
    expect(await jobs.submit({ ...trueJob, id })).toMatchObject({ id });
    expect(removed).toBeLessThan(ids.length);
    await all;
    expect(removed).toBe(ids.length);
  });

  it('are removed where those of many others cannot be: its id could not be used again', async () => {
    const stuck = new Set(await leftOf(limits.jobsPerStep));
    const removed: string[] = [];
    const remove = async (id: string): Promise<void> => {
      if (stuck.has(id)) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'not our folder' });
      removed.push(id);
    };
    const forget = new ForgetCommands({ ...control, logs: { remove } });
    const id = await cancelled();
    await forget.remove(id);
    expect(removed).toEqual([id]);
    expect(await new JobCommands({ ...control, forget }).submit({ ...trueJob, id })).toMatchObject({ id });
  });
});

it('a stop does not wait until all that is due is forgotten; the next start goes on', async () => {
  const count = 2 * limits.jobsPerStep + 1;
  const jobs = Array.from({ length: count }, () => ({ ...trueJob, group: 'all' }));
  for (let from = 0; from < count; from += limits.batchJobs)
    await control.jobs.submitAll(jobs.slice(from, from + limits.batchJobs));
  while ((await control.groups.cancel('all')).more);
  control.clock.advance(defaults.retainCancelledMs + 1);
  const rowsIn = async (table: string): Promise<unknown> =>
    (await control.db.query({ sql: `SELECT count(*) AS n FROM ${table}` }))[0]?.['n'];
  let removed = 0;
  let stopped: Promise<void> | undefined;
  const remove = async (): Promise<void> => {
    if (++removed === 10) stopped = forgetter.stop();
  };
  const forget = new ForgetCommands({ ...control, logs: { remove } });
  const forgetter = new Forgetter({ ...control, random: seededRandom(1), log: silentLog, forget });
  forgetter.start();
  while (stopped === undefined) await settle();
  await stopped;
  expect(removed).toBeLessThan(limits.jobsPerStep);
  expect(await rowsIn('jobs')).toBe(count - limits.jobsPerStep);
  expect(await rowsIn('logs_to_remove')).toBe(limits.jobsPerStep - removed);
  forgetter.start();
  while (removed < count) await settle();
  await forgetter.stop();
  expect([await rowsIn('jobs'), await rowsIn('logs_to_remove')]).toEqual([0, 0]);
});
