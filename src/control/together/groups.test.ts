import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job, SubmitJob } from '../../contract/job.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { Groups } from './groups.ts';

let control: Control;
let worker: TestWorker;
beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = (more: Partial<SubmitJob> = {}): Promise<Job> =>
  control.jobs.submit({ ...trueJob, group: 'g', ...more });
const never = new AbortController().signal;

describe('a group', () => {
  it('counts its jobs through all of their states, and is gone with the last', async () => {
    const createdAtMs = control.clock.nowMs();
    const first = await submit();
    control.clock.advance(1_000);
    const second = await submit({ after: [first.id] });
    await submit({ group: 'other' });
    expect(await control.groups.get('g')).toEqual({
      name: 'g',
      counts: { pending: 1, blocked: 1 },
      finished: false,
      oldestAtMs: createdAtMs,
      newestAtMs: createdAtMs + 1_000,
    });
    const claimed = await worker.run();
    expect((await control.groups.get('g')).counts).toEqual({ running: 1, blocked: 1 });
    await worker.work({ want: 0, done: [endOf(claimed, { exitCode: 1 })] });
    await control.parentEnds.tellAll();
    expect(await control.groups.get('g')).toMatchObject({ counts: { failed: 2 }, finished: true });
    await control.jobs.retry(second.id);
    expect(await control.groups.get('g')).toMatchObject({
      counts: { failed: 1, pending: 1 },
      finished: false,
    });
    await control.jobs.cancel(second.id);
    await control.forget.remove(first.id);
    await control.forget.remove(second.id);
    await expect(control.groups.get('g')).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
    expect((await control.groups.list()).groups.map(({ name }) => name)).toEqual(['other']);
  });

  it('is listed by name, page by page, and its jobs can be listed', async () => {
    const { id } = await submit();
    for (const group of ['c', 'a', 'b']) await submit({ group });
    const page = await control.groups.list({ limit: 3 });
    expect(page.groups.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    const next = await control.groups.list({ limit: 3, cursor: page.nextCursor ?? '' });
    expect(next).toMatchObject({ groups: [{ name: 'g' }], nextCursor: null });
    expect((await control.queries.list({ group: 'g' })).jobs.map((job) => job.id)).toEqual([id]);
    expect((await control.queries.list({ group: 'g', state: 'failed' })).jobs).toEqual([]);
  });

  it('is waited for until its last job has ended, however that ends', async () => {
    const jobs = [await submit(), await submit()];
    const waiting = control.groups.waitFinished('g', 60_000, never);
    const claimed = await worker.run();
    await worker.work({ want: 0, done: [endOf(claimed)] });
    await settle();
    await control.jobs.cancel(jobs[1]?.id ?? '');
    expect(await waiting).toMatchObject({ finished: true, counts: { completed: 1, cancelled: 1 } });
    expect((await control.groups.waitFinished('g', 60_000, never)).finished).toBe(true);
  });

  it('is told as it is when the time is over, or nobody waits any more', async () => {
    await submit();
    const waiting = control.groups.waitFinished('g', 1_000, never);
    await settle();
    control.clock.advance(1_000);
    expect((await waiting).finished).toBe(false);
    const leave = new AbortController();
    const left = control.groups.waitFinished('g', 1_000, leave.signal);
    leave.abort();
    expect((await left).finished).toBe(false);
  });

  it('is waited for no longer than asked when the wall clock is set back meanwhile', async () => {
    await submit();
    const { clock } = control;
    let wall = 0;
    const setClock: Clock = {
      nowMs: () => clock.nowMs() + wall,
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, fire) => clock.after(delayMs, fire),
    };
    const groups = new Groups({ ...control, clock: setClock });
    let told: unknown;
    void groups.waitFinished('g', 1_000, never).then((group) => {
      told = group;
    });
    await settle();
    wall = -3_600_000;
    clock.advance(1_000);
    await settle();
    expect(told).toMatchObject({ finished: false });
  });

  it('is cancelled: jobs that run are asked to stop, all others end, and no other group is touched', async () => {
    const running = await submit();
    const claimedJob = await submit();
    const claimed = await worker.run();
    await worker.claim();
    const waiting = [await submit(), await submit({ delayMs: 9_000 }), await submit({ after: [running.id] })];
    const other = await submit({ group: 'other' });
    const told = worker.work({ want: 0, waitMs: 60_000 });
    await settle();
    expect(await control.groups.cancel('g', 'enough')).toEqual({ cancelled: 4, stopping: 1, more: false });
    expect((await told).cancel.map(({ jobId }) => jobId).sort()).toEqual([running.id, claimedJob.id].sort());
    for (const { id } of [claimedJob, ...waiting])
      expect(await control.queries.get(id)).toMatchObject({ state: 'cancelled', cancelReason: 'enough' });
    expect((await control.queries.get(other.id)).state).toBe('pending');
    expect(await control.groups.cancel('g')).toEqual({ cancelled: 0, stopping: 0, more: false });
    await worker.work({
      want: 0,
      done: [endOf(claimed, { reason: 'cancelled', exitCode: null, signal: 15 })],
    });
    expect((await control.groups.get('g')).counts).toEqual({ cancelled: 5 });
    await control.parentEnds.tellAll();
    await expect(control.groups.cancel('none')).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
  });

  it('larger than one commit may change is cancelled in steps', async () => {
    const count = limits.jobsPerStep + 1;
    await control.jobs.submitAll(Array.from({ length: count }, () => ({ ...trueJob, group: 'g' })));
    expect(await control.groups.cancel('g')).toMatchObject({ cancelled: limits.jobsPerStep, more: true });
    expect(await control.groups.cancel('g')).toMatchObject({ cancelled: 1, more: false });
  });
});
