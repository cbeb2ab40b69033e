import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;
let worker: TestWorker;

/** A worker with one queue and one executor, of which the process knows that this is all it needs to look at. */
beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control);
  expect(await worker.claim(1)).toEqual([]);
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

async function statementsOf(act: () => Promise<unknown>): Promise<number> {
  const before = control.db.stats().statements;
  await act();
  return control.db.stats().statements - before;
}

describe('a worker of one queue and one executor', () => {
  it('claims by one statement, tells of it by one, and renews its lease by one', async () => {
    await control.jobs.submit(trueJob);
    expect(await statementsOf(() => worker.claim(1))).toBe(3);
  });

  it.each([
    ['a job of a group', () => control.jobs.submit({ ...trueJob, group: 'g' })],
    ['a queue with a limit', () => control.queues.set('default', { concurrencyMax: 1 })],
    ['a queue with a rate', () => control.queues.set('default', { rateLimit: { max: 9, perMs: 1_000 } })],
    ['a queue with lines', () => control.queues.set('default', { fairBy: 'tenant' })],
    ['lines in another queue', () => withLineElsewhere()],
  ])('misses nothing in the first call after %s has come', async (_, come) => {
    await come();
    const { id } = await control.jobs.submit(trueJob);
    expect((await worker.claim(9)).map(({ jobId }) => jobId)).toContain(id);
  });

  it.each([
    ['a job of a group', () => control.jobs.submit({ ...trueJob, group: 'g' })],
    ['a queue with a limit', () => limitAndSubmit()],
  ])('that waits misses nothing when %s comes', async (_, come) => {
    const waiting = worker.work({ want: 1, waitMs: 60_000 });
    await settle();
    await come();
    expect((await waiting).claimed).toHaveLength(1);
  });

  it('that offers more from now on gets what that can run, in the same call', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, executor: 'process' });
    const executors = ['microvm', 'process'].map((name) => ({ name, unavailable: null }));
    expect((await worker.work({ want: 1, executors })).claimed).toMatchObject([{ jobId: id }]);
  });

  it('that registers with more queues gets what is in them', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, queue: 'other' });
    await worker.register({ queues: ['default', 'other'] });
    expect(await worker.claim(1)).toMatchObject([{ jobId: id }]);
  });

  it('claims by one statement again when the last job of a group has ended', async () => {
    await control.jobs.submit({ ...trueJob, group: 'g' });
    const running = await worker.run();
    await worker.work({ want: 0, done: [endOf(running)] });
    await control.jobs.submit(trueJob);
    expect(await statementsOf(() => worker.claim(1))).toBe(3);
  });
});

async function limitAndSubmit(): Promise<void> {
  await control.queues.set('default', { concurrencyMax: 1 });
  await control.jobs.submit(trueJob);
}

async function withLineElsewhere(): Promise<void> {
  await control.queues.set('fair', { fairBy: 'tenant' });
  await control.jobs.submit({ ...trueJob, queue: 'fair' });
}
