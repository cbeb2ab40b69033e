/** Steps of the model test: a schedule that is set, paused, triggered and deleted while its minutes pass. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { catchUpPolicies, overlapPolicies } from '../../domain/schedule.ts';
import { passWithWorkers } from './flow-steps.suite.ts';
import { type Pair, queueNames, step } from './pair.suite.ts';
import { ModelSchedule, type ScheduleSettings } from './schedule.suite.ts';
import { changes, everyMinute } from './zones.suite.ts';

const name = 'regular';

interface Travel {
  /** Which of the changes. */
  readonly change: number;
}

const set = step('setSchedule', (pair, settings: ScheduleSettings) => setTo(pair, settings));

async function setTo(pair: Pair, settings: ScheduleSettings): Promise<void> {
  const { queue, plan, ...rest } = settings;
  const { cron, timeZone } = plan;
  await pair.control.schedules.set(name, { ...rest, cron, timeZone, job: { command: ['tick'], queue } });
  if (pair.model.schedule === undefined) pair.model.schedule = new ModelSchedule(name, settings, pair.nowMs);
  else pair.model.schedule.set(settings, pair.nowMs);
  await compareSchedule(pair);
}

const act = step('schedule', async (pair, { what }: { what: 'pause' | 'resume' | 'delete' | 'trigger' }) => {
  const { schedule } = pair.model;
  const acting = pair.control.schedules[what](name);
  if (schedule === undefined) return await pair.refused(acting, 'SCHEDULE_NOT_FOUND');
  const acted = await acting;
  if (what === 'pause') schedule.pause();
  if (what === 'resume') schedule.resume(pair.nowMs);
  if (what === 'delete') pair.model.schedule = undefined;
  if (what === 'trigger' && 'id' in acted) schedule.fire(pair.model, acted.id, pair.nowMs, false);
  await compareSchedule(pair);
});

/** Time goes by, and then the runner looks, as one that was away does when it starts. */
const fire = step('fire', (pair, { ms }: { ms: number }) => passAndFire(pair, ms));

/** At its next slot, or somewhat later. */
const fireNext = step('fireNext', async (pair, { lateMs }: { lateMs: number }) => {
  const nextAtMs = pair.model.schedule?.nextAtMs ?? pair.nowMs;
  await passAndFire(pair, nextAtMs - pair.nowMs + lateMs);
});

/** To the day before the clocks change somewhere; the schedule is of that place from then on. */
const travel = step('travel', async (pair, { change, ...more }: Omit<ScheduleSettings, 'plan'> & Travel) => {
  const { plan, beforeMs } = changes[change] ?? changes[0];
  pair.control.clock.advance(beforeMs - pair.nowMs);
  for (const index of pair.model.workers.keys()) await pair.work(index, 0, []);
  await setTo(pair, { ...more, plan });
});

async function passAndFire(pair: Pair, ms: number): Promise<void> {
  await passWithWorkers(pair, ms);
  await pair.follow();
  pair.control.scheduleRunner.start();
  await pair.control.scheduleRunner.stop();
  const { schedule } = pair.model;
  if (schedule === undefined) return;
  const decided = schedule.decide(pair.nowMs);
  const { runs } = await pair.control.schedules.get(name);
  const newest = runs.slice(0, decided.length).reverse();
  const told = newest.map(({ slotMs, slots, outcome, reason }) => ({ slotMs, slots, outcome, reason }));
  expect(told).toEqual(decided);
  for (const { jobId } of newest) if (jobId !== null) schedule.fire(pair.model, jobId, pair.nowMs, true);
  await compareSchedule(pair);
}

async function compareSchedule(pair: Pair): Promise<void> {
  const { schedule } = pair.model;
  if (schedule === undefined)
    return await pair.refused(pair.control.schedules.get(name), 'SCHEDULE_NOT_FOUND');
  const { nextAtMs, fired, skipped, failed, paused } = await pair.control.schedules.get(name);
  const expected = { nextAtMs: schedule.nextAtMs, fired: schedule.fired, skipped: schedule.skipped };
  expect({ nextAtMs, fired, skipped, failed, paused }).toEqual({
    ...{ ...expected, failed: 0 },
    paused: schedule.nextAtMs === null,
  });
}

const values = {
  queue: fc.constantFrom(...queueNames),
  overlap: fc.constantFrom(...overlapPolicies),
  catchUp: fc.constantFrom(...catchUpPolicies),
  catchUpMax: fc.constantFrom(1, 2),
};
const settings = fc.record({ ...values, plan: fc.constant(everyMinute) });
const acts = fc.constantFrom('trigger', 'trigger', 'pause', 'resume', 'resume', 'delete');

/** All steps of this family. */
export const scheduleSteps = fc.oneof(
  { weight: 4, arbitrary: settings.map(set) },
  { weight: 3, arbitrary: fc.record({ what: acts }).map(act) },
  { weight: 5, arbitrary: fc.record({ ms: fc.constantFrom(20_000, 61_000, 150_000) }).map(fire) },
);

const hour = 3_600_000;

/** The first step of a run in another place and time. */
export const travelStep = fc.record({ ...values, change: fc.nat(changes.length - 1) }).map(travel);

/** All steps of a schedule with one slot a day. */
export const dailySteps = fc.oneof(
  { weight: 1, arbitrary: fc.record({ what: acts }).map(act) },
  { weight: 3, arbitrary: fc.record({ lateMs: fc.constantFrom(-1, 0, 9_000, 20_000) }).map(fireNext) },
  { weight: 2, arbitrary: fc.record({ ms: fc.constantFrom(hour, 6 * hour, 49 * hour) }).map(fire) },
);
