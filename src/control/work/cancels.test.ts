import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';

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

describe('cancels', () => {
  it('reach a waiting worker at once, and do not end its next wait', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    await control.jobs.cancel(id);
    const cancel = [{ jobId: id, attempt: running.attempt }];
    expect((await waiting).cancel).toEqual(cancel);
    const next = worker.work({ waitMs: 10_000 });
    await settle();
    control.clock.advance(10_000);
    expect((await next).cancel).toEqual(cancel);
    expect((await control.workers.heartbeat(worker.id, worker.generation)).cancel).toEqual(cancel);
  });

  it('are told again at once when the answer was lost', async () => {
    const { id } = await control.jobs.submit(trueJob);
    await worker.run();
    await control.jobs.cancel(id);
    const token = control.ids();
    expect((await worker.work({ token, waitMs: 10_000 })).cancel).toHaveLength(1);
    expect((await worker.work({ token, waitMs: 10_000, repeat: true })).cancel).toHaveLength(1);
  });

  it('are told for a claim that has not started yet', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    await control.jobs.cancel(id);
    expect((await waiting).cancel).toEqual([{ jobId: id, attempt: claimed?.attempt }]);
  });

  it('leave out attempts that end in the same call', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    await control.jobs.cancel(id);
    const done = [endOf(running, { reason: 'cancelled', exitCode: null })];
    expect((await worker.work({ want: 0, done })).cancel).toEqual([]);
  });
});
