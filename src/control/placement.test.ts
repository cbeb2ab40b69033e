import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RegisterWorker } from '../contract/worker.ts';
import { limits } from '../domain/limits.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';

let control: Control;
beforeEach(async () => {
  control = await openControl();
});
afterEach(() => control.close());

const tooLarge = { reason: 'vm_too_large' as const, exitCode: null, message: 'too large' };
const gib = 1_024;

/** A worker that gives VMs so much. */
const joinWith = (memoryMiB: number, more: Partial<RegisterWorker> = {}): Promise<TestWorker> =>
  TestWorker.join(control, {
    name: `host-${memoryMiB / gib}`,
    executors: [{ name: 'microvm', unavailable: null, vmMax: { memoryMiB, vcpus: 4 } }],
    ...more,
  });

/** The worker claims the job and finds it too large. */
async function refuse(worker: TestWorker): Promise<void> {
  const [claimed] = await worker.claim();
  if (claimed === undefined) throw new Error('there was nothing to claim');
  await worker.work({ want: 0, done: [endOf(claimed, tooLarge)] });
}

/** The job is due again; the workers have kept their leases meanwhile. */
async function wait(id: string, ...workers: readonly TestWorker[]): Promise<void> {
  const { runAtMs } = await control.queries.get(id);
  control.clock.advance(Math.max(0, runAtMs - control.clock.nowMs()));
  for (const worker of workers) await control.workers.heartbeat(worker.id, worker.generation);
  await control.scheduler.tick();
}

describe('a job that asks for a larger VM than a worker has', () => {
  it('fails at once when no worker has room for it, and says how large the largest is', async () => {
    const worker = await joinWith(8 * gib);
    await joinWith(24 * gib);
    const { id } = await control.jobs.submit({ ...trueJob, memoryMiB: 64 * gib });
    await refuse(worker);
    expect(await control.queries.get(id)).toMatchObject({
      state: 'failed',
      reason: 'vm_too_large',
      attempt: 1,
      attemptsUsed: 0,
      message:
        'No online worker that could run it has room for a VM of 64.0 GiB and 1 CPU; ' +
        'the largest, host-24, gives 24.0 GiB and 4 CPUs.',
    });
    await control.jobs.retry(id);
    expect((await control.queries.get(id)).state).toBe('pending');
  });

  it('goes on to a worker that has room for it, and that costs it nothing', async () => {
    const small = await joinWith(8 * gib);
    const large = await joinWith(24 * gib);
    const { id } = await control.jobs.submit({ ...trueJob, memoryMiB: 16 * gib });
    for (let tries = 1; tries <= 12; tries++) {
      await refuse(small);
      const job = await control.queries.get(id);
      expect(job).toMatchObject({
        state: 'scheduled',
        message: 'too large',
        attemptsUsed: 0,
        infraFailures: 0,
      });
      await wait(id, small, large);
    }
    await large.work({ done: [endOf(await large.run())] });
    expect(await control.queries.get(id)).toMatchObject({ state: 'completed', attempt: 13 });
  });

  it(`and fails after ${limits.placementsMax} of them`, async () => {
    const small = await joinWith(8 * gib);
    const large = await joinWith(24 * gib);
    const { id } = await control.jobs.submit({ ...trueJob, memoryMiB: 16 * gib });
    for (let tries = 1; tries <= limits.placementsMax; tries++) {
      await wait(id, small, large);
      await refuse(small);
    }
    expect(await control.queries.get(id)).toMatchObject({
      state: 'failed',
      message: `It was given to ${limits.placementsMax} workers that have no room for a VM of 16.0 GiB and 1 CPU.`,
    });
  });

  it('says what it waits for while none that could run it is free, or when only another queue has room', async () => {
    await joinWith(8 * gib);
    await joinWith(64 * gib, { queues: ['other'] });
    const memory = await control.jobs.submit({ ...trueJob, memoryMiB: 16 * gib });
    const cpus = await control.jobs.submit({ ...trueJob, vcpus: 8 });
    const largest = 'the largest, host-8, gives 8.0 GiB and 4 CPUs.';
    expect((await control.queries.get(memory.id)).waiting).toBe(
      `No online worker that could run it has room for a VM of 16.0 GiB and 1 CPU; ${largest}`,
    );
    expect((await control.queries.get(cpus.id)).waiting).toContain('a VM of 128 MiB and 8 CPUs');
  });
});
