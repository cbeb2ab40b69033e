/** Schedules for tests: time that passes and is set, and what has fired. */
import type { SetSchedule } from '../../contract/schedule.ts';
import { timeOfUuidV7 } from '../../domain/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { seededRandom } from '../../platform/random.ts';
import type { Database } from '../../store/database.ts';
import { type Control, settle, trueJob } from '../control.suite.ts';
import { JobCommands } from '../job-commands.ts';
import { Signals } from '../signals.ts';
import { makeSchedules } from './make-schedules.ts';

export const everyMinute: SetSchedule = { cron: '* * * * *', job: trueJob };

/** Lets time pass, in steps of a minute at most, as much as it takes for all that is due to be done. */
export async function pass(control: Control, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 60_000) {
    control.clock.advance(Math.min(left, 60_000));
    await settle();
  }
}

/** The slots that have a job, oldest first, as the ids of the jobs tell them. */
export async function firedSlots(control: Control): Promise<string[]> {
  const rows = await control.db.query({ sql: 'SELECT id FROM jobs ORDER BY id' });
  return rows.map((row) => new Date(timeOfUuidV7(String(row['id']))).toISOString().slice(0, 19));
}

/** Another control node on the same store; its clock and store may be the test's own. */
export function anotherNode(control: Control, over: { db?: Database; clock?: Clock; seed?: number } = {}) {
  const { db = control.db, clock = control.clock, seed = 9 } = over;
  const signals = new Signals();
  const { ids } = control;
  const shared = { db, clock, ids, signals, random: seededRandom(seed), log: silentLog };
  return makeSchedules({ ...shared, jobs: new JobCommands(shared) });
}
