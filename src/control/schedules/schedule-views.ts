/** Rows of schedules as they go over the wire. */
import type { Schedule, ScheduleRun, SetSchedule } from '../../contract/schedule.ts';
import { defaults } from '../../domain/defaults.ts';
import { isBlixardError } from '../../domain/errors.ts';
import type { CatchUp, Overlap } from '../../domain/schedule.ts';
import type { Row } from '../../store/database.ts';
import { integer, integerOrNull, json, text, textOrNull } from '../../store/statements/columns.ts';
import { firstSlots, slotsOf } from './cron.ts';

/** When a schedule fires, and when it does not. */
type Timing = Pick<Schedule, 'cron' | 'timeZone' | 'catchUp' | 'catchUpMax' | 'overlap'>;

/** The columns that say when to fire. */
export function timingOf(row: Row): Timing {
  return {
    cron: text(row, 'cron'),
    timeZone: text(row, 'time_zone'),
    catchUp: text(row, 'catch_up') as CatchUp,
    catchUpMax: integer(row, 'catch_up_max'),
    overlap: text(row, 'overlap') as Overlap,
  };
}

/** A schedule; its next slots are told as seen from `nowMs`. */
export function scheduleOf(row: Row, nowMs: number): Schedule {
  const timing = timingOf(row);
  const nextAtMs = integerOrNull(row, 'next_at_ms');
  return {
    name: text(row, 'name'),
    ...timing,
    job: json<SetSchedule['job']>(row, 'job'),
    paused: integer(row, 'paused') === 1,
    version: integer(row, 'version'),
    nextAtMs,
    nextSlotsMs: nextAtMs === null ? [] : comingSlots(timing, Math.max(nextAtMs - 1, nowMs)),
    lastSlotMs: integerOrNull(row, 'last_slot_ms'),
    lastJobId: textOrNull(row, 'last_job_id'),
    fired: integer(row, 'fired'),
    skipped: integer(row, 'skipped'),
    failed: integer(row, 'failed'),
    createdAtMs: integer(row, 'created_at_ms'),
    updatedAtMs: integer(row, 'updated_at_ms'),
  };
}

/** A run; a skipped one has no job. */
export function runOf(row: Row): ScheduleRun {
  const outcome = text(row, 'outcome') as ScheduleRun['outcome'];
  return {
    jobId: outcome === 'skipped' || outcome === 'failed' ? null : text(row, 'job_id'),
    trigger: text(row, 'kind') as ScheduleRun['trigger'],
    slotMs: integer(row, 'slot_ms'),
    slots: integer(row, 'slots'),
    outcome,
    reason: textOrNull(row, 'reason'),
    message: textOrNull(row, 'message'),
  };
}

/** None for an expression or zone that an earlier program took and this one does not know. */
function comingSlots({ cron, timeZone }: Timing, afterMs: number): number[] {
  try {
    return firstSlots(slotsOf(cron, timeZone), afterMs, defaults.scheduleSlotsShown);
  } catch (error) {
    if (isBlixardError(error, 'VALIDATION_FAILED')) return [];
    throw error;
  }
}
