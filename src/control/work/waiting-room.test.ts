import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LazySignal } from '../../platform/lazy-signal.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';

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

function submitMany(count: number, queue = 'default'): Promise<{ id: string }[]> {
  return Promise.all(Array.from({ length: count }, () => control.jobs.submit({ ...trueJob, queue })));
}

describe('waiting', () => {
  it('gives a job submitted meanwhile, claimed in the very commit that stores it', async () => {
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    const before = control.db.stats();
    const job = await control.jobs.submit(trueJob);
    expect((await waiting).claimed).toMatchObject([{ jobId: job.id, attempt: 1 }]);
    const after = control.db.stats();
    expect(after.commits - before.commits).toBe(1);
    expect(after.batches - before.batches).toBe(2);
  });

  it('runs no statement while it waits, and answers when the time is over', async () => {
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    const before = control.db.stats();
    control.clock.advance(9_999);
    await settle();
    expect(control.db.stats()).toEqual(before);
    control.clock.advance(1);
    expect(await waiting).toMatchObject({ claimed: [], cancel: [], fenced: [], state: 'online' });
    expect(control.clock.waiting).toBe(0);
  });

  it('is not woken by jobs it cannot take', async () => {
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    const before = control.db.stats();
    await submitMany(1, 'other');
    await settle();
    expect(control.db.stats().batches - before.batches).toBe(1);
    control.clock.advance(10_000);
    expect((await waiting).claimed).toEqual([]);
  });

  it('wakes as many as there are jobs, who waits longest first', async () => {
    const workers = [worker];
    for (let more = 0; more < 4; more++) workers.push(await TestWorker.join(control));
    const done: number[] = [];
    const calls: Promise<unknown>[] = [];
    for (const [index, each] of workers.entries()) {
      calls.push(each.work({ waitMs: 10_000 }).then(({ claimed }) => claimed.length > 0 && done.push(index)));
      await settle();
    }
    const before = control.db.stats();
    await submitMany(2);
    await settle();
    expect(done).toEqual([0, 1]);
    expect(control.db.stats().batches - before.batches).toBe(4);
    control.clock.advance(10_000);
    await Promise.all(calls);
    expect(done).toEqual([0, 1]);
  });

  it('sees a job that comes between a claim that finds nothing and the wait after it', async () => {
    const before = control.db.stats();
    const waiting = worker.work({ waitMs: 10_000 });
    for (let microtask = 0; microtask < 5; microtask++) await Promise.resolve();
    const { id } = await control.jobs.submit(trueJob);
    expect((await waiting).claimed).toMatchObject([{ jobId: id }]);
    // The claim that found nothing, the submit behind it, and the claim that found the job.
    expect(control.db.stats().batches - before.batches).toBe(3);
  });

  it('misses no job, however submits and calls fall together', async () => {
    const workers = [worker, await TestWorker.join(control), await TestWorker.join(control)];
    const claimed = new Set<string>();
    const serve = async (each: TestWorker): Promise<void> => {
      while (claimed.size < 60) {
        const reply = await each.work({ want: 2, waitMs: 1_000 });
        for (const { jobId } of reply.claimed) claimed.add(jobId);
      }
    };
    const serving = workers.map(serve);
    for (let turn = 0; turn < 20; turn++) {
      await submitMany(3);
      if (turn % 3 === 0) await settle();
    }
    await settle();
    expect(claimed.size).toBe(60);
    control.clock.advance(1_000);
    await Promise.all(serving);
  });

  it('wakes another one when the woken one leaves before it could claim', async () => {
    const second = await TestWorker.join(control);
    const gone = new LazySignal();
    const first = worker.work({ waitMs: 10_000 }, gone);
    await settle();
    const waiting = second.work({ waitMs: 10_000 });
    await settle();
    const submitted = control.jobs.submit(trueJob);
    gone.abort();
    expect((await first).claimed).toEqual([]);
    expect((await waiting).claimed).toMatchObject([{ jobId: (await submitted).id }]);
  });

  it('finds nothing, and waits on, when the submit fails', async () => {
    await worker.register({ images: [{ name: 'base', digest: 'sha256:1' }] });
    const waiting = worker.work({ waitMs: 10_000 });
    await settle();
    await expect(control.jobs.submit({ ...trueJob, image: 'none' })).rejects.toThrow('no worker has');
    const { id } = await control.jobs.submit(trueJob);
    expect((await waiting).claimed).toMatchObject([{ jobId: id }]);
  });

  it('ends when a newer call of the same worker comes, or nobody reads the answer', async () => {
    const older = worker.work({ waitMs: 10_000 });
    await settle();
    const gone = new LazySignal();
    const newer = worker.work({ waitMs: 10_000 }, gone);
    expect(await older).toMatchObject({ claimed: [], state: 'online' });
    await settle();
    gone.abort();
    expect((await newer).claimed).toEqual([]);
    expect(control.clock.waiting).toBe(0);
  });

  it('ends with FENCED when the worker registers anew or leaves', async () => {
    const older = worker.work({ waitMs: 10_000 });
    await settle();
    await worker.register();
    await expect(older).rejects.toMatchObject({ code: 'FENCED' });
    const newer = worker.work({ waitMs: 10_000 });
    await settle();
    await control.workers.remove(worker.id);
    await expect(newer).rejects.toMatchObject({ code: 'FENCED' });
  });
});
