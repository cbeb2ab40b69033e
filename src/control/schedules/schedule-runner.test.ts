import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, settle, TestWorker } from '../control.suite.ts';
import { anotherNode, everyMinute, firedSlots, pass } from './schedules.suite.ts';

const minute = 60_000;
const hour = 60 * minute;

let control: Control;
beforeEach(async () => {
  control = await openControl();
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const toTime = (iso: string): void => control.clock.advance(Date.parse(iso) - control.clock.nowMs());
const start = async (): Promise<void> => {
  control.scheduleRunner.start();
  await settle();
};
const eventKinds = async (): Promise<string[]> => {
  const rows = await control.db.query({
    sql: "SELECT kind FROM events WHERE kind LIKE 'schedule.%' ORDER BY seq",
  });
  return rows.map((row) => String(row['kind']));
};

describe('a schedule', () => {
  it('fires at each slot, and wakes a waiting worker', async () => {
    toTime('2026-01-01T00:00:30Z');
    const worker = await TestWorker.join(control);
    await start();
    await control.schedules.set('tick', everyMinute);
    const waiting = worker.work({ waitMs: 40_000 });
    await pass(control, 30_000);
    const [claimed] = (await waiting).claimed;
    expect(await firedSlots(control)).toEqual(['2026-01-01T00:01:00']);
    const { runs, ...schedule } = await control.schedules.get('tick');
    expect(schedule).toMatchObject({ fired: 1, skipped: 0, lastJobId: claimed?.jobId });
    expect(runs).toMatchObject([{ jobId: claimed?.jobId, trigger: 'slot', outcome: 'fired' }]);
    expect(await eventKinds()).toEqual(['schedule.created', 'schedule.fired']);
  });

  it('takes no statement between its slots, however far the next one is', async () => {
    await control.schedules.set('yearly', { ...everyMinute, cron: '0 0 1 1 *' });
    await start();
    const before = control.db.stats();
    await pass(control, 5 * hour);
    expect(control.db.stats()).toEqual(before);
  });

  it('costs no timer and no statement while there is none', async () => {
    await start();
    expect(control.clock.waiting).toBe(0);
    await control.schedules.set('tick', everyMinute);
    expect(control.clock.waiting).toBe(1);
    await control.schedules.delete('tick');
    await pass(control, 2 * minute);
    expect(control.clock.waiting).toBe(0);
  });

  it('comes in order of time with others, the earlier slot first though it was set later', async () => {
    toTime('2026-01-01T00:00:00Z');
    await start();
    await control.schedules.set('late', { ...everyMinute, cron: '30 0 * * *' });
    await control.schedules.set('early', { ...everyMinute, cron: '10 0 * * *' });
    await pass(control, hour);
    expect(await firedSlots(control)).toEqual(['2026-01-01T00:10:00', '2026-01-01T00:30:00']);
  });

  it('fires with many others of the same slot', async () => {
    for (let n = 0; n < 250; n++) await control.schedules.set(`s${n}`, everyMinute);
    await start();
    await pass(control, minute);
    for (let n = 0; n < 20; n++) await settle();
    expect((await firedSlots(control)).length).toBe(250);
  });

  it.each([
    ['2026-03-28T22:00:00Z', ['2026-03-29T01:00:00', '2026-03-30T00:30:00']],
    ['2026-10-24T22:00:00Z', ['2026-10-25T00:30:00', '2026-10-26T01:30:00']],
  ])('fires once a day over a change of the clocks (%s)', async (from, slots) => {
    toTime(from);
    await start();
    await control.schedules.set('nightly', { ...everyMinute, cron: '30 2 * * *', timeZone: 'Europe/Berlin' });
    await pass(control, 28 * hour);
    expect(await firedSlots(control)).toEqual(slots);
  });

  it('tells when its job is refused, and goes on', async () => {
    await start();
    await control.schedules.set('tick', everyMinute);
    await control.db.batch([
      {
        sql: `INSERT INTO worker_images (image, worker_id, name, digest) VALUES ('other:latest', 'w', 'other', 'd')`,
      },
    ]);
    await pass(control, minute);
    const { runs, ...schedule } = await control.schedules.get('tick');
    expect(schedule).toMatchObject({ fired: 0, failed: 1, lastJobId: null });
    expect(runs).toMatchObject([
      { outcome: 'failed', jobId: null, message: expect.stringContaining('image') },
    ]);
    await control.db.batch([{ sql: "DELETE FROM worker_images WHERE image = 'other:latest'" }]);
    await pass(control, minute);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 1, failed: 1 });
  });

  it('that cannot be read any more is paused and holds up no other', async () => {
    await control.schedules.set('broken', everyMinute);
    await control.schedules.set('sound', everyMinute);
    await control.db.batch([{ sql: "UPDATE schedules SET time_zone = 'Gone/Away' WHERE name = 'broken'" }]);
    await start();
    await pass(control, minute);
    expect(await control.schedules.get('broken')).toMatchObject({ paused: true, fired: 0 });
    expect(await control.schedules.get('sound')).toMatchObject({ fired: 1 });
  });

  it('keeps its newest runs only', async () => {
    await start();
    await control.schedules.set('tick', { ...everyMinute, overlap: 'skip' });
    await pass(control, 230 * minute);
    const [count] = await control.db.query({ sql: 'SELECT count(*) AS n FROM schedule_runs' });
    // The run of the first job is kept as long as that has not ended.
    expect(count).toEqual({ n: limits.scheduleRunsKept + 1 });
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 1, skipped: 229 });
  });
});

describe('while no control node ran', () => {
  const away = async (catchUp: 'none' | 'one' | 'all') => {
    toTime('2026-01-01T00:00:30Z');
    await control.schedules.set('tick', { ...everyMinute, catchUp, catchUpMax: 3 });
    await pass(control, hour);
    await start();
    const { fired, skipped } = await control.schedules.get('tick');
    return { fired, skipped, slots: await firedSlots(control) };
  };

  it('none: nothing is made up for', async () => {
    expect(await away('none')).toEqual({ fired: 0, skipped: 60, slots: [] });
  });

  it('one: the newest slot is', async () => {
    expect(await away('one')).toEqual({ fired: 1, skipped: 59, slots: ['2026-01-01T01:00:00'] });
  });

  it('all: the newest slots are, up to the bound', async () => {
    const slots = ['2026-01-01T00:58:00', '2026-01-01T00:59:00', '2026-01-01T01:00:00'];
    expect(await away('all')).toEqual({ fired: 3, skipped: 57, slots });
  });
});

describe('a slot whose job before has not ended', () => {
  const twoSlots = async (overlap: 'skip' | 'queue' | 'replace') => {
    const worker = await TestWorker.join(control);
    await start();
    await control.schedules.set('tick', { ...everyMinute, overlap });
    await pass(control, minute);
    const first = await worker.run();
    await control.workers.heartbeat(worker.id, worker.generation);
    await pass(control, minute);
    return { worker, first };
  };

  it('skip: is not run, and says so; the next one after the end is', async () => {
    const { worker, first } = await twoSlots('skip');
    expect(await control.schedules.get('tick')).toMatchObject({
      ...{ fired: 1, skipped: 1 },
      runs: [{ outcome: 'skipped', reason: 'overlap', jobId: null }, { outcome: 'fired' }],
    });
    expect((await eventKinds()).at(-1)).toBe('schedule.skipped');
    await worker.work({ done: [endOf(first)], want: 0 });
    await pass(control, minute);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 2, skipped: 1 });
  });

  it('replace: takes its place', async () => {
    const { first } = await twoSlots('replace');
    const job = await control.queries.get(first.jobId);
    expect(job.cancelReason).toBe('replaced by the next job of schedule tick');
    expect(job.cancelledBy).toBe('schedule:tick');
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 2 });
    await pass(control, minute);
    const { jobs } = await control.queries.list({});
    expect(jobs.map(({ state }) => state)).toEqual(['pending', 'cancelled', 'running']);
  });
});

describe('when the wall clock is set', () => {
  it('an hour forward and back: that hour is taken as missed, and its slots do not come again', async () => {
    toTime('2026-01-01T00:00:30Z');
    const wall = settableClock();
    const { runner } = anotherNode(control, { clock: wall });
    await control.schedules.set('tick', everyMinute);
    runner.start();
    await settle();
    await pass(control, minute);
    wall.offsetMs = hour;
    await pass(control, minute);
    expect(await firedSlots(control)).toEqual(['2026-01-01T00:01:00', '2026-01-01T01:02:00']);
    wall.offsetMs = 0;
    await pass(control, 60 * minute);
    expect((await firedSlots(control)).length).toBe(2);
    await pass(control, minute);
    expect((await firedSlots(control)).slice(2)).toEqual(['2026-01-01T01:03:00']);
    await runner.stop();
  });

  it('forward while the next slot is far: it is noticed within a minute', async () => {
    toTime('2026-01-01T00:00:00Z');
    const wall = settableClock();
    const { runner } = anotherNode(control, { clock: wall });
    await control.schedules.set('tick', { ...everyMinute, cron: '0 3 * * *' });
    runner.start();
    await settle();
    await pass(control, minute);
    wall.offsetMs = 3 * hour;
    await pass(control, minute);
    expect(await firedSlots(control)).toEqual(['2026-01-01T03:00:00']);
    await runner.stop();
  });
});

/** A wall clock that can be set; timers run on as time does. */
function settableClock(): Clock & { offsetMs: number } {
  const { clock } = control;
  return {
    offsetMs: 0,
    nowMs() {
      return clock.nowMs() + this.offsetMs;
    },
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, fire) => clock.after(delayMs, fire),
  };
}
