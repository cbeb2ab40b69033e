import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job } from '../../contract/job.ts';
import type { SetSchedule } from '../../contract/schedule.ts';
import type { ClaimedJob } from '../../contract/worker.ts';
import { isEnded, type JobState } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { anotherNode, everyMinute, pass } from './schedules.suite.ts';

const minute = 60_000;

let control: Control;
let worker: TestWorker;
beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
  control.scheduleRunner.start();
  await settle();
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const set = (over: Partial<SetSchedule> = {}) =>
  control.schedules.set('tick', { ...everyMinute, overlap: 'queue', ...over });
/** Oldest first. */
const jobs = async (): Promise<Job[]> => (await control.queries.list({ limit: 500 })).jobs.reverse();
const states = async (): Promise<JobState[]> => (await jobs()).map(({ state }) => state);
/** All that a worker with room for everything gets now. */
const claim = async (): Promise<readonly ClaimedJob[]> => {
  await control.parentEnds.tellAll();
  await control.workers.heartbeat(worker.id, worker.generation);
  return (await worker.work({ want: 10 })).claimed;
};
/** The first job runs, and this many slots have come since. */
const oneRuns = async (waiting: number): Promise<ClaimedJob> => {
  await pass(control, minute);
  const first = await worker.run();
  for (let slot = 0; slot < waiting; slot++) {
    await control.workers.heartbeat(worker.id, worker.generation);
    await pass(control, minute);
  }
  return first;
};
const end = async (job: ClaimedJob, over: Parameters<typeof endOf>[1] = {}) =>
  await worker.work({ done: [endOf(job, over)], want: 0 });

describe('overlap queue', () => {
  it('runs one job of the schedule at a time, in the order of their slots', async () => {
    await set();
    const first = await oneRuns(2);
    expect(await states()).toEqual(['running', 'blocked', 'blocked']);
    expect(await claim()).toEqual([]);
    await end(first);
    const [second, ...more] = await claim();
    expect(more).toEqual([]);
    expect(second?.jobId).toBe((await jobs())[1]?.id);
    expect(await states()).toEqual(['completed', 'claimed', 'blocked']);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 3, skipped: 0 });
  });

  it('tells which job the next one waits for', async () => {
    await set();
    const { jobId } = await oneRuns(1);
    const [, second] = await jobs();
    expect((await control.queries.get(second?.id ?? '')).waiting).toBe(`It runs after ${jobId} (running).`);
    expect(second?.spec.after).toBeUndefined();
  });

  it('goes on when the job before has failed or was cancelled', async () => {
    await set();
    const first = await oneRuns(2);
    await end(first, { exitCode: 1 });
    const [second] = await claim();
    expect(second?.jobId).toBe((await jobs())[1]?.id);
    await control.jobs.cancel(second?.jobId ?? '');
    expect((await claim()).map(({ jobId }) => jobId)).toEqual([(await jobs())[2]?.id]);
  });

  it('waits through the retries of the job before', async () => {
    await set({ job: { ...trueJob, attemptsMax: 2 } });
    const first = await oneRuns(1);
    await end(first, { exitCode: 1 });
    expect(await claim()).toEqual([]);
    expect(await states()).toEqual(['scheduled', 'blocked']);
  });

  it('waits for the one that runs when one in between is cancelled, and forgotten', async () => {
    await set();
    const first = await oneRuns(2);
    const [, second] = await jobs();
    await control.jobs.cancel(second?.id ?? '');
    expect(await claim()).toEqual([]);
    await control.forget.purge('default', { states: ['cancelled'] });
    await pass(control, minute);
    expect(await claim()).toEqual([]);
    expect(await states()).toEqual(['running', 'blocked', 'blocked']);
    await end(first);
    expect(await claim()).toHaveLength(1);
  });

  it('lets a job with parents of its own end with them, not with the job before', async () => {
    const parent = await control.jobs.submit({ ...trueJob, queue: 'other' });
    await set({ job: { ...trueJob, after: [parent.id] } });
    await pass(control, 2 * minute);
    const [, first, second] = await jobs();
    await control.jobs.cancel(first?.id ?? '');
    await control.parentEnds.tellAll();
    expect(await states()).toEqual(['pending', 'cancelled', 'blocked']);
    await control.jobs.cancel(parent.id);
    await control.parentEnds.tellAll();
    expect((await control.queries.get(second?.id ?? '')).reason).toBe('parent_cancelled');
  });
});

describe('the line of a schedule', () => {
  it('skips what comes when as many wait as may, and tells so', async () => {
    await set();
    await pass(control, (limits.scheduleWaitingMax + 3) * minute);
    expect(await control.schedules.get('tick')).toMatchObject({
      ...{ fired: limits.scheduleWaitingMax + 1, skipped: 2 },
      runs: [
        { outcome: 'skipped', reason: 'overlap' },
        { outcome: 'skipped' },
        { outcome: 'fired' },
        {},
        {},
        {},
        {},
        {},
        {},
        {},
      ],
    });
    // Also when so many were skipped that older runs are forgotten.
    await pass(control, limits.scheduleRunsKept * minute);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: limits.scheduleWaitingMax + 1 });
    const [oldest] = await jobs();
    await control.jobs.cancel(oldest?.id ?? '');
    await pass(control, minute);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: limits.scheduleWaitingMax + 2 });
  });

  it('takes the slots that are made up for, one after the other', async () => {
    await control.scheduleRunner.stop();
    await set({ catchUp: 'all', catchUpMax: 3 });
    await pass(control, 10 * minute);
    control.scheduleRunner.start();
    await settle();
    expect(await states()).toEqual(['pending', 'blocked', 'blocked']);
  });

  it('goes on at another control node', async () => {
    await set();
    await oneRuns(0);
    await control.scheduleRunner.stop();
    const { runner } = anotherNode(control);
    runner.start();
    await pass(control, minute);
    expect(await states()).toEqual(['running', 'blocked']);
    await runner.stop();
  });

  it('stays when the schedule is changed; a new one of the same name begins its own', async () => {
    await set();
    await oneRuns(0);
    await set({ job: { command: ['other'] } });
    await pass(control, minute);
    expect(await states()).toEqual(['running', 'blocked']);
    await control.schedules.delete('tick');
    await set();
    await pass(control, minute);
    expect(await states()).toEqual(['running', 'blocked', 'pending']);
  });

  it('does not hold up a job that somebody triggers; the next slot waits for that, too', async () => {
    await set();
    const first = await oneRuns(0);
    const triggered = await control.schedules.trigger('tick');
    expect(triggered.state).toBe('pending');
    await pass(control, minute);
    await end(first);
    expect((await claim()).map(({ jobId }) => jobId)).toEqual([triggered.id]);
    expect(await states()).toEqual(['completed', 'claimed', 'blocked']);
  });
});

it('whatever happens in between, never two of them are ready or run', async () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom('slot', 'slot', 'slot', 'claim', 'end', 'fail', 'cancel', 'forget', 'restart'),
      pick: fc.nat(),
    }),
    { maxLength: 20 },
  );
  await set({ job: { ...trueJob, attemptsMax: 2 } });
  let held: readonly ClaimedJob[] = [];
  const step = async (what: string, pick: number): Promise<void> => {
    const going = (await jobs()).filter(({ endedAtMs }) => endedAtMs === null);
    const cancelled = going[pick % going.length];
    const [job] = held;
    if (what === 'slot') await pass(control, minute);
    if (what === 'claim') held = [...held, ...(await claim())];
    if (what === 'cancel' && cancelled !== undefined) await control.jobs.cancel(cancelled.id);
    if (what === 'forget') await control.forget.purge('default', {});
    if (what === 'restart') await control.scheduleRunner.stop().then(() => control.scheduleRunner.start());
    if ((what === 'end' || what === 'fail') && job !== undefined) {
      await end(job, { exitCode: what === 'fail' ? 1 : 0 });
      held = held.slice(1);
    }
    await control.parentEnds.tellAll();
    await settle();
  };
  const property = fc.asyncProperty(steps, async (given) => {
    for (const { what, pick } of given) {
      await step(what, pick);
      await control.workers.heartbeat(worker.id, worker.generation);
      const now = await states();
      const ready = now.filter((state) => state !== 'blocked' && !isEnded(state));
      expect(ready.length).toBeLessThanOrEqual(1);
      // And the line goes on: none waits for nothing.
      expect(ready.length).toBe(now.some((state) => state === 'blocked') ? 1 : ready.length);
    }
  });
  await fc.assert(property, { numRuns: 30, seed: 7, endOnFailure: true });
});
