import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, openControl, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
  await TestWorker.join(control, { images: [{ name: 'python', digest: 'sha256:1' }] });
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const ways: readonly [string, (job: SubmitJob) => Promise<unknown>][] = [
  ['alone', (job) => control.jobs.submit(job)],
  ['among others', (job) => Promise.all(Array.from({ length: 5 }, () => control.jobs.submit(job)))],
  ['in a batch', (job) => control.jobs.submitAll([job, job])],
  [
    'in place of another',
    async (job) => {
      const unique = { key: 'k', policy: 'replace' as const };
      await control.jobs.submit({ ...job, unique });
      await control.jobs.submit({ ...job, unique });
    },
  ],
  ['by a schedule', (job) => control.schedules.set('s', { cron: '@daily', job })],
];

it.each(ways)('a function is submitted %s although no worker has the image base', async (_way, submit) => {
  await expect(submit(trueJob)).rejects.toMatchObject({ message: expect.stringContaining('base') });
  await submit({ ...trueJob, executor: 'function' });
});
