import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import type { Database } from '../store/database.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, openControl, settle, TestWorker, trueJob } from './control.suite.ts';
import { Scheduler } from './scheduler.ts';

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

async function scheduledJob(delayMs: number): Promise<string> {
  const { id } = await control.jobs.submit(trueJob);
  await control.jobs.cancel(id);
  await control.jobs.retry(id, delayMs);
  return id;
}

async function stateOf(id: string): Promise<string> {
  return (await control.queries.get(id)).state;
}
describe('the scheduler', () => {
  it('runs no statement while nothing is due', async () => {
    const worker = await TestWorker.join(control);
    control.scheduler.start();
    await scheduledJob(3_600_000);
    await advance(defaults.leaseMs - 1);
    await control.workers.heartbeat(worker.id, worker.generation);
    const before = control.db.stats();
    await advance(defaults.leaseMs - 1);
    expect(control.db.stats()).toEqual(before);
    await advance(1);
    expect(control.db.stats()).not.toEqual(before);
    const later = control.db.stats();
    await advance(3_000_000);
    expect(control.db.stats()).toEqual(later);
  });

  it('goes on after the store was away', async () => {
    const id = await scheduledJob(1_000);
    let failures = 0;
    const away: Database = {
      batch: (statements) => control.db.batch(statements),
      query: (statement) => {
        if (failures++ < 3) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'away' });
        return control.db.query(statement);
      },
      close: () => Promise.resolve(),
    };
    const { clock, signals } = control;
    const scheduler = new Scheduler({ db: away, clock, signals, random: seededRandom(2), log: silentLog });
    scheduler.start();
    for (let n = 0; n < 10; n++) await advance(1_000);
    expect(failures).toBeGreaterThan(3);
    expect(await stateOf(id)).toBe('pending');
    await scheduler.stop();
  });

  it('goes on after the store was away for minutes, while workers renew their leases all the time', async () => {
    const worker = await TestWorker.join(control);
    const { clock, signals } = control;
    let isAway = true;
    const store: Database = {
      batch: (statements) => control.db.batch(statements),
      query: async (statement) => {
        if (isAway) throw new BlixardError('STORE_UNAVAILABLE', { problem: 'away' });
        return control.db.query(statement);
      },
      close: () => Promise.resolve(),
    };
    const scheduler = new Scheduler({ db: store, clock, signals, random: seededRandom(2), log: silentLog });
    scheduler.start();
    const id = await scheduledJob(1_000);
    for (let n = 0; n < 120; n++) await advance(1_000);
    isAway = false;
    for (let n = 0; n < 60; n++) {
      await advance(1_000);
      await control.workers.heartbeat(worker.id, worker.generation);
    }
    expect(await stateOf(id)).toBe('pending');
    await scheduler.stop();
  });

  it('does nothing more after stop', async () => {
    control.scheduler.start();
    await settle();
    const id = await scheduledJob(1_000);
    await control.scheduler.stop();
    await advance(5_000);
    expect(await stateOf(id)).toBe('scheduled');
  });
});
