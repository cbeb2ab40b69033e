import { afterEach, beforeEach, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, openControl, settle, trueJob } from '../control.suite.ts';
import { everyMinute, pass } from './schedules.suite.ts';

const minute = 60_000;

let control: Control;
beforeEach(async () => {
  control = await openControl();
  control.scheduleRunner.start();
  await settle();
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const unique = { key: 'sync', policy: 'existing' } as const;
const sync = { ...everyMinute, job: { ...trueJob, unique } };

it('a run whose submit was answered with another job tells that job, and not one that never was', async () => {
  const holder = await control.jobs.submit(sync.job);
  await control.schedules.set('tick', sync);
  await pass(control, minute);
  await control.schedules.trigger('tick');
  const { runs, lastJobId } = await control.schedules.get('tick');
  expect(runs).toMatchObject([
    { jobId: holder.id, trigger: 'manual', outcome: 'fired' },
    { jobId: holder.id, trigger: 'slot', outcome: 'fired' },
  ]);
  expect(lastJobId).toBe(holder.id);
  expect((await control.schedules.list({})).schedules).toMatchObject([{ lastJobId: holder.id }]);
});

it('overlap skip goes by the job that the slot before was answered with', async () => {
  const holder = await control.jobs.submit(sync.job);
  await control.schedules.set('tick', { ...sync, overlap: 'skip' });
  await pass(control, 3 * minute);
  expect(await control.schedules.get('tick')).toMatchObject({ fired: 1, skipped: 2 });
  await control.jobs.cancel(holder.id);
  await pass(control, minute);
  expect(await control.schedules.get('tick')).toMatchObject({ fired: 2, skipped: 2 });
});

it('overlap replace cancels no job that is not of the schedule', async () => {
  const holder = await control.jobs.submit(sync.job);
  await control.schedules.set('tick', { ...sync, overlap: 'replace' });
  await pass(control, 3 * minute);
  expect(await control.queries.get(holder.id)).toMatchObject({ state: 'pending' });
  expect(await control.schedules.get('tick')).toMatchObject({ fired: 3, lastJobId: holder.id });
});

it('overlap replace cancels the job of its own that a trigger was answered with', async () => {
  await control.schedules.set('tick', { ...sync, overlap: 'replace' });
  await pass(control, minute);
  const { lastJobId: own } = await control.schedules.get('tick');
  expect((await control.schedules.trigger('tick')).id).toBe(own);
  await pass(control, minute);
  expect(await control.queries.get(own ?? '')).toMatchObject({ state: 'cancelled' });
  expect((await control.schedules.get('tick')).lastJobId).not.toBe(own);
});

it.each([
  ['skip', { fired: 1, skipped: 2, failed: 1 }, 'pending'],
  ['replace', { fired: 3, skipped: 0, failed: 1 }, 'cancelled'],
] as const)(
  'overlap %s goes by the job that runs, also after a trigger was refused',
  async (overlap, counts, state) => {
    const job = { ...trueJob, unique: { key: 'sync' } };
    await control.schedules.set('tick', { ...everyMinute, job, overlap });
    await pass(control, minute);
    const { lastJobId: own } = await control.schedules.get('tick');
    await expect(control.schedules.trigger('tick')).rejects.toMatchObject({ code: 'UNIQUE_CONFLICT' });
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 1, failed: 1, lastJobId: own });
    await pass(control, 2 * minute);
    expect(await control.schedules.get('tick')).toMatchObject(counts);
    expect(await control.queries.get(own ?? '')).toMatchObject({ state });
  },
);

it('overlap skip goes by a triggered job that runs for very long, also after a trigger was refused', async () => {
  const job = { ...trueJob, unique: { key: 'sync' } };
  await control.schedules.set('tick', { ...everyMinute, job, overlap: 'skip' });
  const { id } = await control.schedules.trigger('tick');
  await expect(control.schedules.trigger('tick')).rejects.toMatchObject({ code: 'UNIQUE_CONFLICT' });
  const slots = limits.scheduleRunsKept + 10;
  for (let slot = 0; slot < slots; slot++) await pass(control, minute);
  const view = await control.schedules.get('tick');
  expect(view).toMatchObject({ fired: 1, skipped: slots, failed: 1, lastJobId: id });
});

it('a trigger that was answered with another job is so again after the schedule was changed', async () => {
  const holder = await control.jobs.submit(sync.job);
  await control.schedules.set('tick', sync);
  const id = control.ids();
  const again = async (): Promise<string[]> => [
    (await control.schedules.trigger('tick', 'key')).id,
    (await control.schedules.trigger('tick', undefined, id)).id,
  ];
  expect(await again()).toEqual([holder.id, holder.id]);
  await control.schedules.set('tick', { ...sync, job: { ...sync.job, command: ['false'] } });
  expect(await again()).toEqual([holder.id, holder.id]);
  expect(await control.schedules.get('tick')).toMatchObject({ fired: 2, failed: 0 });
});
