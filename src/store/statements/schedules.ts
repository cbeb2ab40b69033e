/** Schedules and their runs: set, moved to their next slot, fired; each by name, id or due time. */
import { endedStates } from '../../domain/job.ts';
import { define, literals } from './define.ts';

/** The job of a run: of its own id, unless its submit was answered with another. */
const jobOfRun = (id: string): string =>
  `coalesce((SELECT job_id FROM submit_answers WHERE submit_id = ${id}), ${id})`;

/** The newest run with a job; a refused one has none, and leaves the job before it as the last one. */
const lastRun = `coalesce(schedules.last_job_id, ${newestFired('id', 'schedules.name')})`;

function newestFired(column: string, schedule: string): string {
  return `(SELECT run.${column} FROM schedule_runs AS run INDEXED BY schedule_runs_by_schedule
    WHERE run.schedule = ${schedule} AND +run.outcome = 'fired' ORDER BY run.seq DESC LIMIT 1)`;
}

/** What a view of a schedule is made of. */
const scheduleColumns = `name, cron, time_zone, job, catch_up, catch_up_max, overlap, paused, version,
  next_at_ms, last_slot_ms, ${jobOfRun(lastRun)} AS last_job_id, fired, skipped, failed,
  created_at_ms, updated_at_ms`;

/** The newest job of its own: a trigger may have been answered with it, and a run with one of somebody else. */
const ownJob = `coalesce((
    SELECT job_id FROM submit_answers CROSS JOIN schedule_runs AS own
    WHERE submit_id = ${lastRun} AND own.id = job_id AND own.schedule = schedules.name),
  ${lastRun})`;

/** Whether the last job is on its way or has not ended. */
const previousLives = `(
  EXISTS (SELECT 1 FROM jobs
    WHERE id = ${jobOfRun(lastRun)} AND +state NOT IN (${literals(endedStates)}))
  OR EXISTS (SELECT 1 FROM schedule_runs WHERE id = schedules.last_job_id AND +outcome = 'firing')
) AS previous_lives`;

/** Runs whose job is on its way or has not ended, where such a job waits for them. */
const queued = `CASE overlap WHEN 'queue' THEN (
  SELECT count(*) FROM schedule_runs AS run INDEXED BY schedule_runs_by_schedule
  WHERE run.schedule = schedules.name AND (run.outcome = 'firing' OR run.outcome = 'fired' AND EXISTS (
    SELECT 1 FROM jobs WHERE id = run.id AND ended_at_ms IS NULL))
) ELSE 0 END AS queued`;

type Settings = {
  name: string;
  cron: string;
  timeZone: string;
  job: string;
  catchUp: string;
  catchUpMax: number;
  overlap: string;
  paused: 0 | 1;
  nextAtMs: number | null;
  nowMs: number;
};

/** A new schedule, unless the name is taken. */
export const insertSchedule = define<Settings>(
  'schedules.insert',
  `INSERT INTO schedules (name, cron, time_zone, job, catch_up, catch_up_max, overlap, paused, version,
     next_at_ms, created_at_ms, updated_at_ms)
   VALUES (:name, :cron, :timeZone, :job, :catchUp, :catchUpMax, :overlap, :paused, 1, :nextAtMs, :nowMs, :nowMs)
   ON CONFLICT (name) DO NOTHING
   RETURNING ${scheduleColumns}`,
);

/** Changes a schedule that still is as it was read. */
export const updateSchedule = define<
  Settings & { version: number; createdAtMs: number; readNextAtMs: number | null }
>(
  'schedules.update',
  `UPDATE schedules SET cron = :cron, time_zone = :timeZone, job = :job, catch_up = :catchUp,
     catch_up_max = :catchUpMax, overlap = :overlap, paused = :paused, next_at_ms = :nextAtMs,
     version = version + 1, updated_at_ms = :nowMs
   WHERE name = :name AND version = :version AND created_at_ms = :createdAtMs AND next_at_ms IS :readNextAtMs
   RETURNING ${scheduleColumns}`,
);

export const scheduleByName = define<{ name: string }>(
  'schedules.byName',
  `SELECT ${scheduleColumns} FROM schedules WHERE name = :name`,
);

/** By name, from the one after `after`. */
export const listSchedules = define<{ after: string; limit: number }>(
  'schedules.list',
  `SELECT ${scheduleColumns} FROM schedules WHERE name > :after ORDER BY name LIMIT +:limit`,
);

/** Tells the end of a schedule; goes before its delete. */
export const tellDeleted = define<{ name: string; nowMs: number }>(
  'schedules.tellDeleted',
  `INSERT INTO events (at_ms, kind, data)
   SELECT :nowMs, 'schedule.deleted', json_object('schedule', name) FROM schedules WHERE name = :name`,
);

export const deleteRuns = define<{ name: string }>(
  'schedules.deleteRuns',
  'DELETE FROM schedule_runs INDEXED BY schedule_runs_by_schedule WHERE schedule = :name',
);

export const deleteSchedule = define<{ name: string }>(
  'schedules.delete',
  `DELETE FROM schedules WHERE name = :name RETURNING ${scheduleColumns}`,
);

/** The newest runs of a schedule, newest first. */
export const runsOfSchedule = define<{ name: string; limit: number }>(
  'schedules.runs',
  `SELECT ${jobOfRun('schedule_runs.id')} AS job_id, kind, slot_ms, slots, outcome, reason, message
   FROM schedule_runs INDEXED BY schedule_runs_by_schedule
   WHERE schedule = :name ORDER BY seq DESC LIMIT +:limit`,
);

/** Schedules with a slot that has come, the longest due first; `replaces` is the newest job of their own. */
export const dueSchedules = define<{ nowMs: number; limit: number }>(
  'schedules.due',
  `SELECT ${scheduleColumns}, ${ownJob} AS replaces, ${previousLives}, ${queued}
   FROM schedules INDEXED BY schedules_due
   WHERE next_at_ms IS NOT NULL AND next_at_ms <= :nowMs ORDER BY next_at_ms, name LIMIT +:limit`,
);

/** The next slot of all, epoch ms; null when there is none. */
export const nextSlot = define<Record<never, never>>(
  'schedules.next',
  'SELECT min(next_at_ms) AS next_at_ms FROM schedules INDEXED BY schedules_due WHERE next_at_ms IS NOT NULL',
);

/** Moves a schedule over its due slots, if nobody has; `token` marks the batch that did. */
export const moveSchedule = define<{
  name: string;
  version: number;
  createdAtMs: number;
  readNextAtMs: number;
  lastSlotMs: number;
  nextAtMs: number | null;
  token: string;
}>(
  'schedules.move',
  `UPDATE schedules SET next_at_ms = :nextAtMs, last_slot_ms = :lastSlotMs, moved_by = :token
   WHERE name = :name AND version = :version AND created_at_ms = :createdAtMs AND next_at_ms = :readNextAtMs
   RETURNING name`,
);

/** The runs of the move just made: `[{id, slotMs, slots, outcome, reason, replaces}]`. */
export const insertRuns = define<{ name: string; token: string; runs: string; nowMs: number }>(
  'schedules.insertRuns',
  `INSERT INTO schedule_runs (id, schedule, kind, slot_ms, slots, outcome, reason, replaces, at_ms)
   SELECT r.value->>'id', schedules.name, 'slot', r.value->>'slotMs', r.value->>'slots', r.value->>'outcome',
     r.value->>'reason', r.value->>'replaces', :nowMs
   FROM json_each(:runs) AS r CROSS JOIN schedules WHERE schedules.name = :name AND +moved_by = :token
   ON CONFLICT (id) DO NOTHING`,
);

/** Whose run the one of this job is, as long as it is kept. */
export const scheduleOfRun = define<{ id: string }>(
  'schedules.scheduleOfRun',
  'SELECT schedule FROM schedule_runs WHERE id = :id',
);

/** A run whose job, or the one its submit was answered with, never was or is forgotten makes room for one of its id. */
export const deleteJoblessRun = define<{ id: string }>(
  'schedules.deleteJoblessRun',
  `DELETE FROM schedule_runs WHERE id = :id AND +outcome <> 'firing'
     AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = :id)
     AND NOT EXISTS (SELECT 1 FROM submit_answers CROSS JOIN jobs WHERE submit_id = :id AND jobs.id = job_id)`,
);

/** A run that somebody asked for, once. */
export const insertTriggered = define<{ id: string; name: string; nowMs: number }>(
  'schedules.insertTriggered',
  `INSERT INTO schedule_runs (id, schedule, kind, slot_ms, slots, outcome, at_ms)
   SELECT :id, name, 'manual', :nowMs, 1, 'firing', :nowMs FROM schedules WHERE name = :name
   ON CONFLICT (id) DO NOTHING
   RETURNING id`,
);

/** A schedule whose cron expression this program cannot read any more. */
export const pauseUnreadable = define<{ name: string; version: number; nowMs: number }>(
  'schedules.pauseUnreadable',
  `UPDATE schedules SET paused = 1, next_at_ms = NULL, version = version + 1, updated_at_ms = :nowMs
   WHERE name = :name AND version = :version`,
);

/** Runs whose job is to be submitted, oldest first, from the one after `after`. */
export const firingRuns = define<{ after: number; limit: number }>(
  'schedules.firing',
  `SELECT schedule_runs.seq, schedule_runs.id, schedule, replaces, job, kind = 'slot' AND overlap = 'queue' AS waits
   FROM schedule_runs INDEXED BY schedule_runs_firing CROSS JOIN schedules
   WHERE schedule_runs.outcome = 'firing' AND schedule_runs.seq > :after AND schedules.name = schedule_runs.schedule
   ORDER BY schedule_runs.seq LIMIT +:limit`,
);

/** The jobs of a schedule's earlier runs that have not ended, oldest first. */
export const earlierJobs = define<{ id: string; limit: number }>(
  'schedules.earlierJobs',
  `SELECT jobs.id FROM schedule_runs AS own
   CROSS JOIN schedule_runs AS run INDEXED BY schedule_runs_by_schedule CROSS JOIN jobs
   WHERE own.id = :id AND run.schedule = own.schedule AND run.seq < own.seq
     AND +run.outcome IN ('firing', 'fired') AND jobs.id = run.id AND +jobs.ended_at_ms IS NULL
   ORDER BY run.seq LIMIT +:limit`,
);

/** What became of a run. */
export const settleRun = define<{
  id: string;
  outcome: 'fired' | 'failed';
  message: string | null;
  nowMs: number;
}>(
  'schedules.settle',
  `UPDATE schedule_runs SET outcome = :outcome, message = :message, at_ms = :nowMs
   WHERE id = :id AND +outcome = 'firing'`,
);

/**
 * Forgets the oldest runs of a schedule, except those that wait for their job, or whose slot's job has not ended, and
 * the newest with a job, which is the last one where a trigger after it was refused.
 */
export const forgetRuns = define<{ name: string; keep: number }>(
  'schedules.forgetRuns',
  `DELETE FROM schedule_runs WHERE schedule = :name AND +outcome <> 'firing' AND seq <= (
     SELECT seq FROM schedule_runs INDEXED BY schedule_runs_by_schedule WHERE schedule = :name
     ORDER BY seq DESC LIMIT 1 OFFSET +:keep)
     AND NOT (+kind = 'slot' AND EXISTS (SELECT 1 FROM jobs WHERE id = schedule_runs.id AND ended_at_ms IS NULL))
     AND +seq IS NOT ${newestFired('seq', ':name')}`,
);
