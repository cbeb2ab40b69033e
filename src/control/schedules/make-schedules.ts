/** Puts the parts of schedules together, for every control node alike. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Ids, Random } from '../../platform/random.ts';
import type { Database } from '../../store/database.ts';
import type { JobCommands } from '../job-commands.ts';
import type { Signals } from '../signals.ts';
import { RunDelivery } from './run-delivery.ts';
import { ScheduleCommands } from './schedule-commands.ts';
import { ScheduleRunner } from './schedule-runner.ts';

/** The commands, and the runner that fires; it is not started. */
export function makeSchedules(deps: {
  db: Database;
  clock: Clock;
  ids: Ids;
  random: Random;
  log: Log;
  signals: Signals;
  jobs: JobCommands;
}): { schedules: ScheduleCommands; runner: ScheduleRunner } {
  const shared = { ...deps, delivery: new RunDelivery(deps) };
  return { schedules: new ScheduleCommands(shared), runner: new ScheduleRunner(shared) };
}
