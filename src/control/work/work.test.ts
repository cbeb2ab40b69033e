import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptDone } from '../../contract/worker.ts';
import { infraFailuresMax, limits } from '../../domain/limits.ts';
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

function submitMany(count: number, queue = 'default'): Promise<{ id: string }[]> {
  return Promise.all(Array.from({ length: count }, () => control.jobs.submit({ ...trueJob, queue })));
}

describe('claim', () => {
  it('gives the oldest jobs first, with their spec, as many as wanted', async () => {
    const [first, second] = await submitMany(3);
    const claimed = await worker.claim(2);
    expect(claimed.map(({ jobId }) => jobId)).toEqual([first?.id, second?.id]);
    expect(claimed[0]).toMatchObject({ attempt: 1, spec: { command: ['true'], queue: 'default' } });
    expect(await worker.claim(5)).toHaveLength(1);
    expect(await worker.claim(5)).toHaveLength(0);
  });

  it('takes only queues it serves and executors it can run', async () => {
    await worker.register({
      queues: ['a', 'b'],
      executors: [
        { name: 'microvm', unavailable: 'VM manager is not available (SKIP_VM_MANAGER may be set)' },
        { name: 'process', unavailable: null },
      ],
    });
    await control.jobs.submit({ ...trueJob, queue: 'a' });
    const other = await control.jobs.submit({ ...trueJob, queue: 'b', executor: 'process' });
    await control.jobs.submit({ ...trueJob, queue: 'c', executor: 'process' });
    const last = await control.jobs.submit({ ...trueJob, queue: 'a', executor: 'process' });
    expect((await worker.claim(10)).map(({ jobId }) => jobId)).toEqual([other.id, last.id]);
  });

  it('goes through several queues by age, not one after the other', async () => {
    await worker.register({ queues: ['a', 'b'] });
    const ids: string[] = [];
    for (const queue of ['b', 'a', 'b', 'a']) {
      ids.push((await control.jobs.submit({ ...trueJob, queue })).id);
      control.clock.advance(1);
    }
    expect((await worker.claim(3)).map(({ jobId }) => jobId)).toEqual(ids.slice(0, 3));
  });

  it('gives each job to one of many workers that ask at once', async () => {
    const others = await Promise.all([1, 2, 3].map(() => TestWorker.join(control)));
    await submitMany(10);
    const claimed = await Promise.all([worker, ...others].map((each) => each.claim(4)));
    const ids = claimed.flat().map(({ jobId }) => jobId);
    expect(ids).toHaveLength(10);
    expect(new Set(ids).size).toBe(10);
  });

  it(`lets no worker hold more than ${limits.slotsMax} jobs`, async () => {
    await submitMany(limits.slotsMax + 5);
    expect(await worker.claim(limits.slotsMax - 1)).toHaveLength(limits.slotsMax - 1);
    expect(await worker.claim(10)).toHaveLength(1);
    expect(await worker.claim(10)).toHaveLength(0);
  });
});

describe('a repeated call', () => {
  it('gives the same claims again and claims nothing more', async () => {
    await submitMany(3);
    const token = control.ids();
    const first = await worker.work({ token, want: 2 });
    const again = await worker.work({ token, want: 2, repeat: true });
    expect(again.claimed).toEqual(first.claimed);
    const [one] = first.claimed;
    if (one !== undefined) await control.jobs.cancel(one.jobId);
    expect((await worker.work({ token, want: 2, repeat: true })).claimed).toEqual(first.claimed.slice(1));
  });

  it('claims when the first one never arrived', async () => {
    await submitMany(1);
    expect((await worker.work({ token: control.ids(), repeat: true })).claimed).toHaveLength(1);
  });

  it('takes ends told twice for what they are', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    const done = [endOf(running)];
    expect((await worker.work({ done })).fenced).toEqual([]);
    const events = await control.queries.events(id);
    expect((await worker.work({ done, repeat: true })).fenced).toEqual([]);
    expect(await control.queries.events(id)).toEqual(events);
    expect(control.workers.staleWrites).toBe(0);
  });
});

describe('ends', () => {
  async function endRunning(end: Partial<AttemptDone>, job = {}) {
    const { id } = await control.jobs.submit({ ...trueJob, ...job });
    const running = await worker.run();
    const reply = await worker.work({ want: 0, done: [endOf(running, end)] });
    expect(reply.fenced).toEqual([]);
    return control.queries.get(id);
  }

  it('completes with exit 0 and keeps what is known of VM and usage', async () => {
    const vm = {
      vmId: 'v',
      hypervisor: 'qemu',
      accel: 'tcg',
      start: 'boot',
      bootMs: 1_400,
      image: 'sha256:1',
    };
    const usage = { wallMs: 5, cpuMs: 4, memoryPeakKiB: 1_000 };
    const job = await endRunning({ vm: { ...vm, start: 'boot' }, usage });
    expect(job).toMatchObject({ state: 'completed', reason: 'exit', exitCode: 0, attemptsUsed: 1 });
    expect(await control.queries.attempts(job.id)).toMatchObject([
      { state: 'ended', reason: 'exit', exitCode: 0, vm, usage, startedAtMs: expect.any(Number) },
    ]);
  });

  it('fails when the attempts are used up, and tells why', async () => {
    const job = await endRunning({ reason: 'timeout', exitCode: null, signal: 9, message: 'over 5 s' });
    expect(job).toMatchObject({ state: 'failed', reason: 'timeout', signal: 9, message: 'over 5 s' });
    expect(job.endedAtMs).toBe(control.clock.nowMs());
  });

  it('keeps a message no store could hold', async () => {
    expect(await endRunning({ exitCode: 1, message: 'a\0b\ud800c' })).toMatchObject({
      message: 'a\ufffdb\ufffdc',
    });
  });

  it('schedules the next attempt after the back-off', async () => {
    const backoff = { type: 'fixed', delayMs: 2_000, jitter: 0 } as const;
    const job = await endRunning({ exitCode: 3 }, { attemptsMax: 2, backoff });
    expect(job).toMatchObject({
      state: 'scheduled',
      runAtMs: control.clock.nowMs() + 2_000,
      attemptsUsed: 1,
      exitCode: 3,
      endedAtMs: null,
      workerId: null,
    });
  });

  it('retries infrastructure failures without spending attempts, up to their bound', async () => {
    const { id } = await control.jobs.submit(trueJob);
    for (let failure = 1; failure <= infraFailuresMax; failure++) {
      const [claimed] = await worker.claim();
      if (claimed === undefined) throw new Error(`nothing to claim at failure ${failure}`);
      await worker.work({ want: 0, done: [endOf(claimed, { reason: 'vm_boot_failed', exitCode: null })] });
      control.clock.advance(60_000);
      await control.scheduler.tick();
      await worker.register();
    }
    expect(await control.queries.get(id)).toMatchObject({
      state: 'failed',
      reason: 'vm_boot_failed',
      attemptsUsed: 0,
      infraFailures: infraFailuresMax,
    });
  });

  it('cancels a job whose cancel was asked for, whatever its command did after it', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, attemptsMax: 5 });
    const running = await worker.run();
    await control.jobs.cancel(id);
    await worker.work({ want: 0, done: [endOf(running, { exitCode: 1 })] });
    expect(await control.queries.get(id)).toMatchObject({ state: 'cancelled', reason: 'exit', exitCode: 1 });
  });

  it('sees a cancel that comes between its look and its write', async () => {
    const { id } = await control.jobs.submit({ ...trueJob, attemptsMax: 5 });
    const running = await worker.run();
    const [reply] = await Promise.all([
      worker.work({ want: 0, done: [endOf(running, { exitCode: 1 })] }),
      control.db.batch([{ sql: 'UPDATE jobs SET cancel_requested_at_ms = 1 WHERE id = ?', args: [id] }]),
    ]);
    expect(reply.fenced).toEqual([]);
    expect(await control.queries.get(id)).toMatchObject({ state: 'cancelled' });
  });

  it('takes back a claim that was not started, at no cost', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    if (claimed === undefined) throw new Error('nothing was claimed');
    await worker.work({ want: 0, done: [endOf(claimed, { reason: null, exitCode: null })] });
    expect(await control.queries.get(id)).toMatchObject({
      state: 'pending',
      attempt: 1,
      attemptsUsed: 0,
      infraFailures: 0,
      reason: null,
    });
    expect((await worker.claim())[0]).toMatchObject({ jobId: id, attempt: 2 });
  });

  it('counts a claim given back after all it started as a lost worker', async () => {
    const job = await endRunning({ reason: null, exitCode: null });
    expect(job).toMatchObject({ state: 'pending', reason: 'worker_lost', infraFailures: 1 });
  });

  it('does not believe exit 0 of an attempt that was never started', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const [claimed] = await worker.claim();
    if (claimed === undefined) throw new Error('nothing was claimed');
    expect((await worker.work({ want: 0, done: [endOf(claimed)] })).fenced).toEqual([]);
    expect(await control.queries.get(id)).toMatchObject({ state: 'scheduled', reason: 'internal' });
  });

  it('tells and counts the ends that are not of this worker', async () => {
    const other = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const running = await other.run();
    const stranger = { jobId: control.ids(), attempt: 1 };
    const reply = await worker.work({
      waitMs: 10_000,
      done: [endOf(running), endOf(running, { attempt: 2 }), endOf(stranger, { exitCode: 1 })],
    });
    expect(reply.fenced).toEqual([{ jobId: id, attempt: 1 }, { jobId: id, attempt: 2 }, stranger]);
    expect(control.workers.staleWrites).toBe(3);
    expect(await control.queries.get(id)).toMatchObject({ state: 'running', workerId: other.id });
  });

  it('ends many and claims as many in one commit', async () => {
    await submitMany(200);
    const running = await worker.claim(100);
    for (const claimed of running) await worker.start(claimed);
    const before = control.db.stats();
    const reply = await worker.work({ want: 100, done: running.map((claimed) => endOf(claimed)) });
    expect(reply.claimed).toHaveLength(100);
    const after = control.db.stats();
    expect(after.commits - before.commits).toBe(1);
    expect(after.statements - before.statements).toBe(3);
    expect(after.queries - before.queries).toBe(0);
  });
});

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
    const gone = new AbortController();
    const first = worker.work({ waitMs: 10_000 }, gone.signal);
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
    const gone = new AbortController();
    const newer = worker.work({ waitMs: 10_000 }, gone.signal);
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
