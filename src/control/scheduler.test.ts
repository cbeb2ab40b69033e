import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { Scheduler } from './scheduler.ts';
import { WorkerCommands } from './worker-commands.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
  expect(control.clock.waiting).toBe(0);
});

async function advance(ms: number): Promise<void> {
  control.clock.advance(ms);
  await settle();
}

/** A clock that can pass over time without a timer fired, like that of a stopped process. */
class JumpingClock extends FakeClock {
  #aheadMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.#aheadMs;
  }

  jump(ms: number): void {
    this.#aheadMs += ms;
  }
}

async function scheduledJob(delayMs: number): Promise<string> {
  const { id } = await control.jobs.submit(trueJob);
  await control.jobs.cancel(id);
  await control.jobs.retry(id, delayMs);
  return id;
}

async function stateOf(id: string): Promise<string> {
  return (await control.queries.get(id)).state;
}

describe('a wall clock that is set back', () => {
  const rated = async (max: number): Promise<void> => {
    await control.queues.set('default', { rateLimit: { max, perMs: 5_000 } });
    for (let n = 0; n < 4; n++) await control.jobs.submit(trueJob);
  };

  it.each([1, 2])('keeps no queue of rate %i waiting for as long as it was set back', async (max) => {
    const clock = new JumpingClock();
    clock.jump(3_600_000);
    const deps = { ...control, clock, random: seededRandom(1), log: silentLog };
    const scheduler = new Scheduler(deps);
    const worker = await TestWorker.join({ ...control, workers: new WorkerCommands(deps) });
    scheduler.start();
    await settle();
    await rated(max);
    expect(await worker.claim()).toHaveLength(1);
    clock.jump(-3_600_000);
    await worker.work({ want: 0 });
    let claimed = 0;
    void worker.work({ waitMs: 10_000 }).then((reply) => {
      claimed = reply.claimed.length;
    });
    await settle();
    clock.advance(0);
    await settle();
    clock.advance(5_000 / max);
    await settle();
    expect(claimed).toBe(1);
    await scheduler.stop();
  });

  it('is noticed at the next start, too', async () => {
    const clock = new FakeClock(control.clock.nowMs() + 3_600_000);
    const deps = { ...control, clock, random: seededRandom(1), log: silentLog };
    const later = { ...control, workers: new WorkerCommands(deps) };
    await rated(1);
    expect(await (await TestWorker.join(later)).claim()).toHaveLength(1);
    control.scheduler.start();
    await settle();
    await advance(5_000);
    expect(await (await TestWorker.join(control)).claim()).toHaveLength(1);
  });
});

describe('a wall clock that is set forward', () => {
  it('takes no worker for lost that renews its lease, also when something else is due just then', async () => {
    const clock = new JumpingClock();
    const scheduler = new Scheduler({ ...control, clock, random: seededRandom(1), log: silentLog });
    const worker = await TestWorker.join(control);
    scheduler.start();
    await settle();
    // Past the grace after a start, with the lease renewed on the way.
    for (const ms of [defaults.leaseMs - 1_000, 2_000]) {
      clock.advance(ms);
      await advance(ms);
      await worker.work({ want: 0 });
    }
    clock.jump(3_600_000);
    control.signals.due(clock.nowMs());
    clock.advance(1);
    await settle();
    expect((await control.queries.worker(worker.id)).state).toBe('online');
    await scheduler.stop();
  });
});

describe('due jobs', () => {
  it('wait a minute at most, not an hour, when the wall clock is set forward by an hour', async () => {
    const clock = new JumpingClock();
    const scheduler = new Scheduler({ ...control, clock, random: seededRandom(1), log: silentLog });
    const id = await scheduledJob(3_600_000);
    scheduler.start();
    await settle();
    clock.jump(3_600_000);
    clock.advance(defaults.clockCheckMs);
    await settle();
    expect(await stateOf(id)).toBe('pending');
    await scheduler.stop();
  });

  it('become ready when they are due, not before, and wake a waiting worker', async () => {
    const worker = await TestWorker.join(control);
    control.scheduler.start();
    await settle();
    const id = await scheduledJob(5_000);
    const waiting = worker.work({ waitMs: 30_000 });
    await advance(4_999);
    expect(await stateOf(id)).toBe('scheduled');
    await advance(1);
    expect((await waiting).claimed).toMatchObject([{ jobId: id }]);
  });

  it('are found after a restart', async () => {
    const id = await scheduledJob(5_000);
    control.clock.advance(60_000);
    control.scheduler.start();
    await settle();
    expect(await stateOf(id)).toBe('pending');
  });

  it('are taken in order of their time, an earlier one that comes later first', async () => {
    control.scheduler.start();
    await settle();
    const late = await scheduledJob(10_000);
    const early = await scheduledJob(2_000);
    await advance(2_000);
    expect([await stateOf(early), await stateOf(late)]).toEqual(['pending', 'scheduled']);
    await advance(8_000);
    expect(await stateOf(late)).toBe('pending');
  });

  it('are all promoted, more than one batch of them', async () => {
    for (let n = 0; n < 12; n++) await Promise.all(Array.from({ length: 100 }, () => scheduledJob(1_000)));
    control.clock.advance(1_000);
    await control.scheduler.tick();
    const { jobs } = await control.queries.stats();
    expect(jobs.filter(({ state }) => state === 'scheduled' || state === 'pending')).toEqual([
      { queue: 'default', state: 'pending', count: 1_200 },
    ]);
  });
});

describe('leases', () => {
  it('that run out put the jobs of their worker back', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    const running = await worker.run();
    control.scheduler.start();
    await settle();
    await advance(defaults.leaseMs - 1);
    expect(await stateOf(id)).toBe('running');
    await advance(1);
    expect(await control.queries.get(id)).toMatchObject({ state: 'pending', reason: 'worker_lost' });
    expect(await control.queries.worker(worker.id)).toMatchObject({ state: 'offline', held: 0 });
    await expect(worker.work({ done: [endOf(running)] })).rejects.toMatchObject({ code: 'FENCED' });
  });

  it('go on with every call of the worker', async () => {
    const worker = await TestWorker.join(control);
    control.scheduler.start();
    await settle();
    for (let n = 0; n < 5; n++) {
      await advance(defaults.leaseMs - 1);
      await (n % 2 === 0 ? worker.work() : control.workers.heartbeat(worker.id, worker.generation));
    }
    expect(await control.queries.worker(worker.id)).toMatchObject({ state: 'online' });
    await advance(defaults.leaseMs);
    expect(await control.queries.worker(worker.id)).toMatchObject({ state: 'offline' });
  });

  it('cancel a job of a lost worker whose cancel was asked for', async () => {
    const worker = await TestWorker.join(control);
    const { id } = await control.jobs.submit(trueJob);
    await worker.run();
    await control.jobs.cancel(id);
    control.clock.advance(defaults.leaseMs);
    await control.scheduler.tick();
    expect(await control.queries.get(id)).toMatchObject({ state: 'cancelled', reason: 'worker_lost' });
  });

  it('that ended while no scheduler ran are given the time to come back', async () => {
    const [back, gone] = [await TestWorker.join(control), await TestWorker.join(control)];
    control.clock.advance(10 * defaults.leaseMs);
    control.scheduler.start();
    await advance(defaults.leaseMs - 1);
    await control.workers.heartbeat(back.id, back.generation);
    await advance(1);
    expect(await control.queries.worker(back.id)).toMatchObject({ state: 'online' });
    expect(await control.queries.worker(gone.id)).toMatchObject({ state: 'offline' });
  });

  it('do not run out while the process was stopped or the clock set forward: nobody could renew', async () => {
    const clock = new JumpingClock();
    const { db, signals } = control;
    const deps = { db, clock, signals, random: seededRandom(3), log: silentLog };
    const workers = new WorkerCommands(deps);
    const scheduler = new Scheduler(deps);
    scheduler.start();
    await settle();
    const { id } = await TestWorker.join({ ...control, workers });
    await settle();
    clock.jump(3_600_000);
    clock.advance(defaults.leaseMs);
    await settle();
    expect(await control.queries.worker(id)).toMatchObject({ state: 'online' });
    for (let n = 0; n < 3; n++) {
      clock.advance(defaults.leaseMs);
      await settle();
    }
    expect(await control.queries.worker(id)).toMatchObject({ state: 'offline' });
    await scheduler.stop();
  });

  it('and due times follow a clock that is set back and forth: nobody is lost, the dead are noticed', async () => {
    const clock = new JumpingClock();
    const { db, signals } = control;
    const deps = { db, clock, signals, random: seededRandom(3), log: silentLog };
    const workers = new WorkerCommands(deps);
    const scheduler = new Scheduler(deps);
    scheduler.start();
    await settle();
    const { id, generation } = await TestWorker.join({ ...control, workers });
    const { id: deadId } = await TestWorker.join({ ...control, workers });
    const hourMs = 3_600_000;
    for (const stepMs of [-hourMs, hourMs, hourMs, -hourMs]) {
      clock.jump(stepMs);
      clock.advance(defaults.heartbeatMs);
      await workers.heartbeat(id, generation);
      await workers.heartbeat(deadId, 1);
      await settle();
      expect((await control.queries.stats()).workersOnline).toBe(2);
    }
    for (let n = 0; n < 8; n++) {
      clock.advance(defaults.heartbeatMs);
      await workers.heartbeat(id, generation);
      await settle();
    }
    expect(await control.queries.worker(id)).toMatchObject({ state: 'online' });
    expect(await control.queries.worker(deadId)).toMatchObject({ state: 'offline' });
    await scheduler.stop();
  });

  it('run out for many workers at once', async () => {
    const workers = await Promise.all(Array.from({ length: 50 }, () => TestWorker.join(control)));
    control.scheduler.start();
    await settle();
    control.clock.advance(defaults.leaseMs);
    for (let n = 0; n < 20; n++) await settle();
    expect((await control.queries.stats()).workersOnline).toBe(0);
    expect(await control.queries.workers()).toHaveLength(workers.length);
  });
});
