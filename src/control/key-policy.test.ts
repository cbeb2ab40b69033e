import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyPolicy } from '../contract/queue.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';

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

const keyed = { ...trueJob, concurrencyKey: 'k' };
const submit = () => control.jobs.submit(keyed);
const policy = (keyPolicy: KeyPolicy, concurrencyMaxPerKey = 1) =>
  control.queues.set('default', { keyPolicy, concurrencyMaxPerKey });

describe('cancel_newest', () => {
  it('ends a job submitted while its key is full, and says so', async () => {
    await policy('cancel_newest', 2);
    const [one, two, three] = [await submit(), await submit(), await submit()];
    expect([one.state, two.state, three.state]).toEqual(['pending', 'pending', 'cancelled']);
    expect(three).toMatchObject({
      reason: 'cancelled',
      cancelReason: 'its key is full: the queue has the key policy cancel_newest',
      cancelledBy: 'queue key policy',
      endedAtMs: control.clock.nowMs(),
    });
    expect(await worker.claim(5)).toHaveLength(2);
    expect((await submit()).state).toBe('cancelled');
    expect((await control.jobs.submit({ ...keyed, concurrencyKey: 'other' })).state).toBe('pending');
    expect((await control.jobs.submit(trueJob)).state).toBe('pending');
  });

  it('gives the same answer to the same submit again', async () => {
    await policy('cancel_newest');
    await submit();
    const id = control.ids();
    const first = await control.jobs.submit({ ...keyed, id });
    control.clock.advance(5);
    expect(await control.jobs.submit({ ...keyed, id })).toEqual(first);
    expect(first.state).toBe('cancelled');
  });

  it('holds within a batch', async () => {
    await policy('cancel_newest', 2);
    const jobs = await control.jobs.submitAll([keyed, trueJob, keyed, keyed]);
    expect(jobs.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending', 'cancelled']);
  });

  it('lets a job wait that becomes due, or is retried, while its key is full', async () => {
    await policy('cancel_newest');
    const late = await control.jobs.submit({ ...keyed, delayMs: 1_000 });
    await submit();
    control.clock.advance(1_000);
    await control.scheduler.tick();
    expect(await control.queries.get(late.id)).toMatchObject({
      state: 'pending',
      waiting: 'The queue default runs at most 1 of the jobs with the key k at once.',
    });
  });
});

describe('cancel_oldest', () => {
  it('stops the running job of the key as any cancel does, and the new one runs next', async () => {
    await policy('cancel_oldest');
    const old = await submit();
    const running = await worker.run();
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    const fresh = await submit();
    expect((await waiting).cancel).toEqual([{ jobId: old.id, attempt: 1 }]);
    expect(await control.queries.get(old.id)).toMatchObject({
      state: 'running',
      cancelReason: `job ${fresh.id} of the same key came: the queue has the key policy cancel_oldest`,
      cancelledBy: 'queue key policy',
    });
    const { claimed } = await worker.work({
      done: [endOf(running, { reason: 'cancelled', exitCode: null })],
    });
    expect(claimed).toMatchObject([{ jobId: fresh.id }]);
    expect((await control.queries.get(old.id)).state).toBe('cancelled');
  });

  it('ends the oldest that waits, and stops no job twice', async () => {
    await policy('cancel_oldest');
    await submit();
    await worker.run();
    const second = await submit();
    const third = await submit();
    expect((await control.queries.get(second.id)).state).toBe('cancelled');
    expect((await control.queries.get(third.id)).state).toBe('pending');
    const { events } = await control.queries.events(second.id);
    expect(events.map(({ kind }) => kind).sort()).toEqual([
      'job.cancel_requested',
      'job.cancelled',
      'job.submitted',
    ]);
    expect(events.find(({ kind }) => kind === 'job.cancel_requested')?.data).toMatchObject({
      by: 'queue key policy',
    });
  });

  it('makes room at once of many that wait since before the policy was set', async () => {
    await policy('wait', 2);
    for (let n = 0; n < 5; n++) await submit();
    await policy('cancel_oldest', 2);
    const last = await submit();
    const { jobs } = await control.queries.list({ state: 'pending' });
    expect(jobs).toHaveLength(2);
    expect(jobs[0]?.id).toBe(last.id);
  });
});
