import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import { limits } from '../domain/limits.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';

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

const submit = async (body: Partial<SubmitJob> = {}): Promise<string> =>
  (await control.jobs.submit({ ...trueJob, ...body })).id;

async function flood(body: Partial<SubmitJob>, count: number): Promise<void> {
  for (let left = count; left > 0; left -= limits.batchJobs) {
    const size = Math.min(left, limits.batchJobs);
    await control.jobs.submitAll(Array.from({ length: size }, () => ({ ...trueJob, ...body })));
  }
}

/** Claims one after another, ending each; gives whose they were. */
async function serve(count: number): Promise<string[]> {
  const tenants: string[] = [];
  for (let n = 0; n < count; n++) {
    const [claimed] = await worker.claim();
    if (claimed === undefined) break;
    await worker.start(claimed);
    await worker.work({ want: 0, done: [endOf(claimed)] });
    tenants.push(claimed.spec.tenant ?? claimed.spec.concurrencyKey ?? 'none');
  }
  return tenants;
}

const count = (list: readonly string[], name: string): number => list.filter((one) => one === name).length;

/** Within one job, which is the one whose turn it is. */
function expectShares(served: readonly string[], shares: Readonly<Record<string, number>>): void {
  for (const [name, share] of Object.entries(shares))
    expect(Math.abs(count(served, name) - share), name).toBeLessThanOrEqual(1);
}

/** Four slots that run each job for a second, a job of the small tenant every 700 ms: how long these took, sorted. */
async function timesOfSmall(each: Control): Promise<number[]> {
  const player = await TestWorker.join(each);
  const slots: ({ jobId: string; attempt: number; endsAtMs: number } | undefined)[] = [
    undefined,
    undefined,
    undefined,
    undefined,
  ];
  const sentAtMs = new Map<string, number>();
  const times: number[] = [];
  for (let tick = 0; times.length < 100; tick++) {
    const nowMs = each.clock.nowMs();
    if (tick % 7 === 0) sentAtMs.set((await each.jobs.submit({ ...trueJob, tenant: 'small' })).id, nowMs);
    for (const [index, running] of slots.entries()) {
      if (running !== undefined && running.endsAtMs > nowMs) continue;
      const done = running === undefined ? [] : [endOf(running)];
      const sent = running === undefined ? undefined : sentAtMs.get(running.jobId);
      if (sent !== undefined) times.push(nowMs - sent);
      const [claimed] = (await player.work({ want: 1, done })).claimed;
      if (claimed !== undefined) await player.start(claimed);
      // Of different lengths, as jobs are.
      slots[index] =
        claimed === undefined ? undefined : { ...claimed, endsAtMs: nowMs + 800 + 100 * (tick % 5) };
    }
    each.clock.advance(100);
  }
  return times.sort((a, b) => a - b);
}

describe('fair turns between tenants', () => {
  it('give a small tenant its turn at once beside one with 50,000 waiting jobs', async () => {
    await control.queues.set('default', { fairBy: 'tenant' });
    await flood({ tenant: 'big' }, 50_000);
    const ahead: number[] = [];
    for (let n = 0; n < 100; n++) {
      control.clock.advance(1_000);
      await submit({ tenant: 'small' });
      const served = [];
      while (served.at(-1) !== 'small' && served.length < 10) served.push(...(await serve(1)));
      ahead.push(served.length - 1);
    }
    expect(Math.max(...ahead)).toBeLessThanOrEqual(1);
    const beside = await timesOfSmall(control);
    const other = await openControl();
    const alone = await timesOfSmall(other);
    await other.close();
    expect(beside.at(-2)).toBeLessThanOrEqual(2 * (alone.at(-2) ?? 0));
  }, 120_000);

  it('are given to tenants that wait with many jobs one after another, and by their weights', async () => {
    await control.queues.set('default', { fairBy: 'tenant', weights: { a: 3 } });
    for (const tenant of ['a', 'b', 'c']) await flood({ tenant }, 100);
    const served = await serve(100);
    expectShares(served, { a: 60, b: 20, c: 20 });
  });

  it('hold for one claim of many jobs, too', async () => {
    await control.queues.set('default', { fairBy: 'tenant', weights: { a: 3 } });
    await flood({ tenant: 'b' }, 50);
    await flood({ tenant: 'a' }, 50);
    const claimed = await worker.claim(20);
    expect(claimed.filter(({ spec }) => spec.tenant === 'a')).toHaveLength(15);
    expect(await worker.claim(limits.workMax)).toHaveLength(2 * limits.lineClaimMax);
  });

  it('leave the jobs of one tenant in the order of their priority', async () => {
    await control.queues.set('default', { fairBy: 'tenant' });
    await flood({ tenant: 'a' }, 5);
    const urgent = await submit({ tenant: 'a', priority: 100 });
    const other = await submit({ tenant: 'b' });
    const first = (await worker.claim(2)).map(({ jobId }) => jobId);
    expect(first.sort()).toEqual([urgent, other].sort());
  });

  it('are no debt of jobs that were cancelled, nor of jobs that ran while nobody else waited', async () => {
    await control.queues.set('default', { fairBy: 'tenant' });
    await flood({ tenant: 'a' }, 50);
    expect(await serve(50)).toHaveLength(50);
    await flood({ tenant: 'a' }, 50);
    for (const { id } of (await control.queries.list({ state: 'pending', limit: 40 })).jobs)
      await control.jobs.cancel(id);
    await flood({ tenant: 'b' }, 50);
    expectShares(await serve(20), { a: 10, b: 10 });
  });

  it('hold as soon as they are set for the jobs that wait already, and end when they are taken back', async () => {
    await flood({ tenant: 'big' }, 2 * limits.jobsPerStep + 1);
    await submit({ tenant: 'small' });
    await control.queues.set('default', { fairBy: 'tenant' });
    expect(await serve(2)).toContain('small');
    await submit({ tenant: 'small' });
    await control.queues.set('default', {});
    expect(await serve(5)).toEqual(['big', 'big', 'big', 'big', 'big']);
    await control.queues.set('default', { fairBy: 'tenant' });
    expect(await serve(2)).toContain('small');
  });

  it('are gone on with by the next process when one died while jobs joined their lines', async () => {
    await flood({ tenant: 'big' }, 3);
    await control.queues.set('default', { fairBy: 'tenant' });
    await control.db.batch([
      { sql: "UPDATE queues SET in_lines = 0 WHERE name = 'default'" },
      { sql: "UPDATE jobs SET line = NULL WHERE queue = 'default'" },
    ]);
    await submit({ tenant: 'small' });
    await control.queues.finishLines();
    expect(await serve(2)).toContain('small');
  });

  it('leave a queue its place among others', async () => {
    await worker.register({ queues: ['default', 'other'] });
    await control.queues.set('default', { fairBy: 'tenant' });
    await submit({ tenant: 'a' });
    control.clock.advance(1_000);
    const other = await submit({ queue: 'other' });
    control.clock.advance(1_000);
    await submit({ tenant: 'b' });
    await serve(1);
    expect((await worker.claim()).map(({ jobId }) => jobId)).toEqual([other]);
  });

  it('go to keys, and to jobs without one as to a key', async () => {
    await control.queues.set('default', { fairBy: 'key', concurrencyMaxPerKey: 2, weights: { x: 2 } });
    await flood({ concurrencyKey: 'x' }, 20);
    await flood({ concurrencyKey: 'y' }, 20);
    await flood({}, 20);
    const served = await serve(20);
    expectShares(served, { x: 10, y: 5, none: 5 });
  });
});

it('lines hold what is ready in any order of commands', async () => {
  const step = fc.record({
    do: fc.constantFrom('submit', 'claim', 'end', 'giveBack', 'cancel', 'retry', 'lose', 'set', 'pass'),
    tenant: fc.constantFrom('a', 'b', 'c'),
    n: fc.nat(9),
    fairBy: fc.constantFrom('none', 'tenant', 'key'),
    perKey: fc.constantFrom(null, 1, 2),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const each = await openControl();
      const player = await TestWorker.join(each);
      const held: { jobId: string; attempt: number }[] = [];
      for (const { do: what, tenant, n, fairBy, perKey } of steps) {
        const { jobs } = await each.queries.list({ limit: 10 });
        const job = jobs[n % Math.max(1, jobs.length)];
        if (what === 'submit')
          await each.jobs.submit({ ...trueJob, tenant, ...(n > 4 ? { concurrencyKey: tenant } : {}) });
        else if (what === 'claim') held.push(...(await player.claim(1 + (n % 3))));
        else if (what === 'set')
          await each.queues.set('default', { fairBy, concurrencyMaxPerKey: perKey, weights: { a: 1 + n } });
        else if (what === 'lose') await player.register();
        else if (what === 'pass') {
          each.clock.advance(10_000);
          await player.work({ want: 0 }).catch(() => player.register());
          await each.scheduler.tick();
        } else if (what === 'cancel' && job !== undefined && job.endedAtMs === null)
          await each.jobs.cancel(job.id);
        else if (what === 'retry' && job?.state === 'cancelled') await each.jobs.retry(job.id, n * 1_000);
        else if (what === 'giveBack' || what === 'end') {
          const one = held.shift();
          const reason = what === 'end' ? 'timeout' : null;
          if (one !== undefined)
            await player.work({ want: 0, done: [endOf(one, { reason, exitCode: null })] });
        }
        expect(await checkInvariants(each.db)).toEqual([]);
      }
      await each.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);
