import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits, priorityStepMs } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { queryPlan } from '../../store/query-plan.suite.ts';
import { claimJobs } from '../../store/statements/work.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;
let worker: TestWorker;

beforeEach(async () => {
  control = await openControl();
  worker = await TestWorker.join(control, { slots: 100 });
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
  expect(control.clock.waiting).toBe(0);
});

const submit = (more: object) => control.jobs.submit({ ...trueJob, ...more });
const stateOf = async (id: string): Promise<string> => (await control.queries.get(id)).state;

async function advance(ms: number): Promise<void> {
  control.clock.advance(ms);
  await settle();
}

describe('priority', () => {
  it('lets the more urgent job go first, and jobs of one priority in their order', async () => {
    const ids: string[] = [];
    for (const priority of [0, -100, 100, 1, 100]) ids.push((await submit({ priority })).id);
    const [usual, low, urgent, higher, urgentToo] = ids;
    expect((await worker.claim(5)).map(({ jobId }) => jobId)).toEqual([
      urgent,
      urgentToo,
      higher,
      usual,
      low,
    ]);
  });

  it('is worth its number in minutes of waiting, to the millisecond', async () => {
    const waiting = await submit({ priority: 0 });
    control.clock.advance(5 * priorityStepMs);
    const later = await submit({ priority: 5 });
    control.clock.advance(-1);
    const urgent = await submit({ priority: 5 });
    const claimed = (await worker.claim(3)).map(({ jobId }) => jobId);
    expect(claimed).toEqual([urgent.id, waiting.id, later.id]);
  });

  it('lets a low job through although higher ones never cease to come', async () => {
    const { id: low } = await submit({ priority: -5 });
    await Promise.all(Array.from({ length: 20 }, () => submit({ priority: 5 })));
    let minutes = 0;
    for (; minutes < 100; minutes++) {
      await Promise.all([1, 2].map(() => submit({ priority: 5 })));
      const claimed = await worker.claim(2);
      for (const each of claimed) await worker.start(each);
      await worker.work({ want: 0, done: claimed.map((each) => endOf(each)) });
      if (claimed.some(({ jobId }) => jobId === low)) break;
      control.clock.advance(priorityStepMs);
      await worker.register();
    }
    // Ten steps of priority are ten minutes, and the backlog in front of them took ten more.
    expect(minutes).toBeGreaterThanOrEqual(10);
    expect(minutes).toBeLessThanOrEqual(21);
  });

  it('costs a claim nothing: one range of one index for each pair of queue and executor', async () => {
    const values = { workerId: worker.id, generation: 1, token: 't', want: 1, nowMs: 1 };
    const { lines } = await queryPlan(control.db, claimJobs.with(values));
    // One for queues without a limit, one for those with one.
    expect(lines.filter((line) => line.includes('jobs_ready'))).toEqual([
      'SEARCH ready USING INDEX jobs_ready (queue=? AND executor=?)',
      'SEARCH ready USING INDEX jobs_ready (queue=? AND executor=?)',
    ]);
  });
});

describe('a start in the future', () => {
  beforeEach(async () => {
    control.scheduler.start();
    await settle();
  });

  it('is waited for, whether told as a delay or as a time', async () => {
    const delayed = await submit({ delayMs: 5_000 });
    const timed = await submit({ runAtMs: control.clock.nowMs() + 5_000 });
    for (const job of [delayed, timed])
      expect(job).toMatchObject({ state: 'scheduled', runAtMs: control.clock.nowMs() + 5_000 });
    expect(await worker.claim(2)).toEqual([]);
    await advance(4_999);
    expect([await stateOf(delayed.id), await stateOf(timed.id)]).toEqual(['scheduled', 'scheduled']);
    await advance(1);
    expect(await worker.claim(2)).toHaveLength(2);
  });

  it('that has gone by is now, and buys no place in the line', async () => {
    const first = await submit({});
    const late = await submit({ runAtMs: 0 });
    expect(late).toMatchObject({ state: 'pending', runAtMs: control.clock.nowMs() });
    expect((await worker.claim(2)).map(({ jobId }) => jobId)).toEqual([first.id, late.id]);
  });

  it('is at most a year away, and told once', async () => {
    const yearAhead = control.clock.nowMs() + limits.delayMsMax;
    expect((await submit({ runAtMs: yearAhead })).state).toBe('scheduled');
    const refused = { code: 'VALIDATION_FAILED', details: { field: 'runAtMs' } };
    await expect(submit({ runAtMs: yearAhead + 1 })).rejects.toMatchObject(refused);
    await expect(submit({ runAtMs: 5, delayMs: 5 })).rejects.toMatchObject(refused);
  });
});

describe('a job that expires', () => {
  beforeEach(async () => {
    control.scheduler.start();
    await settle();
  });

  it('fails when nobody has started it in time, and tells who waits for it', async () => {
    const { id, expiresAtMs } = await submit({ expireInMs: 1_000 });
    expect(expiresAtMs).toBe(control.clock.nowMs() + 1_000);
    const waiting = control.queries.waitEnded(id, 10_000, new AbortController().signal);
    await advance(999);
    expect(await stateOf(id)).toBe('pending');
    await advance(1);
    expect(await waiting).toMatchObject({
      state: 'failed',
      reason: 'expired',
      message: 'It was not started in time.',
      endedAtMs: expiresAtMs,
    });
  });

  it('has its time from when it is due', async () => {
    const { id } = await submit({ delayMs: 5_000, expireInMs: 1_000 });
    await advance(5_000);
    expect(await stateOf(id)).toBe('pending');
    await advance(1_000);
    expect(await stateOf(id)).toBe('failed');
  });

  it('expires no more once it was started, nor when it is put back after that', async () => {
    const { id } = await submit({ expireInMs: 1_000 });
    await worker.run();
    expect((await control.queries.get(id)).expiresAtMs).toBeNull();
    await advance(1_000);
    await worker.register();
    expect(await stateOf(id)).toBe('pending');
    await advance(1_000);
    expect(await stateOf(id)).toBe('pending');
  });

  it('expires at once when it comes back unstarted after its time', async () => {
    const { id } = await submit({ expireInMs: 1_000 });
    const [claimed] = await worker.claim();
    if (claimed === undefined) throw new Error('nothing was claimed');
    await advance(5_000);
    expect(await stateOf(id)).toBe('claimed');
    await worker.work({ want: 0, done: [endOf(claimed, { reason: null, exitCode: null })] });
    await advance(0);
    expect(await control.queries.get(id)).toMatchObject({ state: 'failed', reason: 'expired' });
  });

  it('expires no more when a user retries it', async () => {
    const { id } = await submit({ expireInMs: 1_000 });
    await advance(1_000);
    expect(await control.jobs.retry(id)).toMatchObject({ state: 'pending', expiresAtMs: null });
    await advance(10_000);
    expect(await stateOf(id)).toBe('pending');
  });

  it('is found after a restart, and never claimed then', async () => {
    const { id } = await submit({ delayMs: 500, expireInMs: 500 });
    await control.scheduler.stop();
    control.clock.advance(60_000);
    await worker.register();
    control.scheduler.start();
    await settle();
    expect(await stateOf(id)).toBe('failed');
    expect(await worker.claim()).toEqual([]);
  });
});
