/** What users do to schedules, and what they ask of them. */
import { isDeepStrictEqual } from 'node:util';
import type { Job } from '../../contract/job.ts';
import type { Schedule, SchedulePage, ScheduleWithRuns, SetSchedule } from '../../contract/schedule.ts';
import { defaults } from '../../domain/defaults.ts';
import { BlixardError, isBlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Ids } from '../../platform/random.ts';
import type { Database, Row, Statement } from '../../store/database.ts';
import { answerOf } from '../../store/statements/answers.ts';
import { text } from '../../store/statements/columns.ts';
import { jobById } from '../../store/statements/jobs.ts';
import {
  deleteJoblessRun,
  deleteRuns,
  deleteSchedule,
  insertSchedule,
  insertTriggered,
  listSchedules,
  runsOfSchedule,
  scheduleByName,
  scheduleOfRun,
  tellDeleted,
  updateSchedule,
} from '../../store/statements/schedules.ts';
import { cursorOf, nameOf } from '../cursor.ts';
import { badValue, within } from '../http/validation.ts';
import type { JobCommands } from '../job-commands.ts';
import type { Signals } from '../signals.ts';
import { readSpecPage } from '../spec-pages.ts';
import { jobOf } from '../views.ts';
import { firstSlots, slotsOf } from './cron.ts';
import type { RunDelivery } from './run-delivery.ts';
import { runOf, scheduleOf } from './schedule-views.ts';
import { triggeredJobId } from './slot-job-id.ts';

/** What of a schedule a user decides, all of it. */
type Settings = Pick<Schedule, 'cron' | 'timeZone' | 'job' | 'catchUp' | 'catchUpMax' | 'overlap' | 'paused'>;

/** Each may also reject with STORE_UNAVAILABLE. */
export class ScheduleCommands {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #signals: Signals;
  readonly #jobs: JobCommands;
  readonly #delivery: RunDelivery;

  constructor(deps: {
    db: Database;
    clock: Clock;
    ids: Ids;
    signals: Signals;
    jobs: JobCommands;
    delivery: RunDelivery;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#ids = deps.ids;
    this.#signals = deps.signals;
    this.#jobs = deps.jobs;
    this.#delivery = deps.delivery;
  }

  /**
   * Makes or changes a schedule; what it is already changes nothing. Throws VALIDATION_FAILED, SPEC_TOO_LARGE,
   * IMAGE_UNKNOWN, PARENT_UNKNOWN, SCHEDULE_CHANGED.
   */
  async set(name: string, body: SetSchedule): Promise<Schedule> {
    assertComes(body.cron, body.timeZone ?? defaults.timeZone, this.#clock.nowMs());
    await this.#jobs.assertSubmittable(body.job).catch((error: unknown) => {
      throw within('job', error);
    });
    return await this.#change(name, (current) => {
      const settings = settingsOf(body, current);
      const { version } = body;
      const found = current?.version ?? 0;
      if (version !== undefined && version !== found && !isDone(version, settings, current))
        throw new BlixardError('SCHEDULE_CHANGED', { schedule: name, found, version });
      return settings;
    });
  }

  /** Throws SCHEDULE_NOT_FOUND. */
  pause(name: string): Promise<Schedule> {
    return this.#change(name, (current) => ({ ...existing(name, current), paused: true }));
  }

  /** Fires from the next slot on. Throws SCHEDULE_NOT_FOUND. */
  resume(name: string): Promise<Schedule> {
    return this.#change(name, (current) => ({ ...existing(name, current), paused: false }));
  }

  /**
   * Submits its job now; the same key, or id of the job, gives that job again, as long as it is kept. Throws
   * SCHEDULE_NOT_FOUND, VALIDATION_FAILED for both at once, JOB_ID_CONFLICT for the id of another job, and what a
   * submit throws.
   */
  async trigger(name: string, idempotencyKey?: string, givenId?: string): Promise<Job> {
    if (idempotencyKey !== undefined && givenId !== undefined)
      throw badValue('id', givenId, 'none beside an Idempotency-Key, which makes one');
    const { job, createdAtMs } = await this.#read(name);
    const key = idempotencyKey === undefined ? undefined : triggeredJobId(name, createdAtMs, idempotencyKey);
    const id = key ?? givenId;
    if (id === undefined) return await this.#fire(this.#ids(), name, job);
    const before = await this.#findJob(id);
    if (before !== undefined) {
      if (id === key || (await this.#isRunOf(id, name))) return before;
      // Its run is forgotten before it: by its spec it is told from another.
      return await this.#jobs.submit({ ...job, id });
    }
    try {
      return await this.#fire(id, name, job);
    } catch (error) {
      // The same call at the same time has submitted it, and the schedule was changed in between.
      const now = isBlixardError(error, 'JOB_ID_CONFLICT') ? await this.#findJob(id) : undefined;
      if (now === undefined || !(await this.#isRunOf(id, name))) throw error;
      return now;
    }
  }

  /** False when no schedule has a run of this job. Throws JOB_ID_CONFLICT when another has. */
  async #isRunOf(id: string, name: string): Promise<boolean> {
    const [row] = await this.#db.query(scheduleOfRun.with({ id }), { level: 'linearizable' });
    if (row !== undefined && text(row, 'schedule') !== name)
      throw new BlixardError('JOB_ID_CONFLICT', { jobId: id });
    return row !== undefined;
  }

  async #fire(id: string, name: string, job: Schedule['job']): Promise<Job> {
    const values = { id, name, nowMs: this.#clock.nowMs() };
    const [, inserted] = await this.#db.batch([deleteJoblessRun.with({ id }), insertTriggered.with(values)]);
    // Either the schedule is gone, or a call with the same id at the same time was first.
    if (inserted?.rows.length !== 1) {
      await this.#read(name);
      await this.#isRunOf(id, name);
    }
    try {
      return await this.#delivery.deliver({ id, schedule: name, job, replaces: null, waits: false });
    } catch (error) {
      // It is on disk: if the store went away in between, the runner goes on with it.
      this.#signals.slot(values.nowMs);
      throw error;
    }
  }

  /** The job of this id, or the one that a submit with it was answered with. */
  async #findJob(id: string): Promise<Job | undefined> {
    for (const statement of [jobById.with({ id }), answerOf.with({ id, key: null })]) {
      const [row] = await this.#db.query(statement, { level: 'linearizable' });
      if (row !== undefined) return jobOf(row);
    }
    return undefined;
  }

  /** Its jobs stay. Throws SCHEDULE_NOT_FOUND. */
  async delete(name: string): Promise<Schedule> {
    const nowMs = this.#clock.nowMs();
    const results = await this.#db.batch([
      tellDeleted.with({ name, nowMs }),
      deleteRuns.with({ name }),
      deleteSchedule.with({ name }),
    ]);
    const row = results[2]?.rows[0];
    if (row === undefined) throw notFound(name);
    return scheduleOf(row, nowMs);
  }

  /** Throws SCHEDULE_NOT_FOUND. */
  async get(name: string): Promise<ScheduleWithRuns> {
    const schedule = await this.#read(name);
    const runs = await this.#db.query(runsOfSchedule.with({ name, limit: defaults.scheduleRunsShown }));
    return { ...schedule, runs: runs.map(runOf) };
  }

  /** A page by name. Throws VALIDATION_FAILED for a bad cursor. */
  async list(query: { limit?: number; cursor?: string }): Promise<SchedulePage> {
    const { rows, next } = await readSpecPage({
      from: query.cursor === undefined ? '' : nameOf('schedules', query.cursor),
      limit: query.limit ?? defaults.pageSize,
      read: (after, limit) => this.#db.query(listSchedules.with({ after, limit })),
      keyOf: (row) => text(row, 'name'),
      spec: 'job',
    });
    const nowMs = this.#clock.nowMs();
    const nextCursor = next === null ? null : cursorOf('schedules', next);
    return { schedules: rows.map((row) => scheduleOf(row, nowMs)), nextCursor };
  }

  async #read(name: string): Promise<Schedule> {
    const found = await this.#find(name);
    if (found === undefined) throw notFound(name);
    return found;
  }

  async #find(name: string): Promise<Schedule | undefined> {
    const [row] = await this.#db.query(scheduleByName.with({ name }), { level: 'linearizable' });
    return row === undefined ? undefined : scheduleOf(row, this.#clock.nowMs());
  }

  /** Reads, lets `wanted` decide, and writes if nobody has changed it in between; else again. */
  async #change(name: string, wanted: (current: Schedule | undefined) => Settings): Promise<Schedule> {
    for (let round = 0; round < limits.scheduleRounds; round++) {
      const current = await this.#find(name);
      const settings = wanted(current);
      if (current !== undefined && isDeepStrictEqual(settingsIn(current), settings)) return current;
      const row = await this.#write(name, settings, current);
      if (row === undefined) continue;
      const schedule = scheduleOf(row, this.#clock.nowMs());
      if (schedule.nextAtMs !== null) this.#signals.slot(schedule.nextAtMs);
      return schedule;
    }
    throw new BlixardError('OVERLOADED', { problem: `schedule ${name} is being changed by others` });
  }

  async #write(name: string, settings: Settings, current: Schedule | undefined): Promise<Row | undefined> {
    const nowMs = this.#clock.nowMs();
    const values = {
      ...settings,
      name,
      job: JSON.stringify(settings.job),
      paused: settings.paused ? 1 : 0,
      nextAtMs: nextAtOf(settings, current, nowMs),
      nowMs,
    } as const;
    const statement: Statement =
      current === undefined
        ? insertSchedule.with(values)
        : updateSchedule.with({
            ...values,
            version: current.version,
            createdAtMs: current.createdAtMs,
            readNextAtMs: current.nextAtMs,
          });
    return (await this.#db.batch([statement]))[0]?.rows[0];
  }
}

function assertComes(cron: string, timeZone: string, nowMs: number): void {
  if (slotsOf(cron, timeZone)(nowMs) === null)
    throw badValue('cron', cron, 'an expression that comes to pass; this one never does');
}

/** A slot that was decided is never a next one again, even when the clock was set back. */
function nextAtOf(settings: Settings, current: Schedule | undefined, nowMs: number): number | null {
  const { cron, timeZone, paused } = settings;
  if (paused) return null;
  if (current?.cron === cron && current.timeZone === timeZone && !current.paused) return current.nextAtMs;
  const [nextAtMs] = firstSlots(slotsOf(cron, timeZone), Math.max(nowMs, current?.lastSlotMs ?? 0), 1);
  return nextAtMs ?? null;
}

/** The same set has come before, and its answer was maybe lost. */
function isDone(version: number, settings: Settings, current: Schedule | undefined): boolean {
  return current?.version === version + 1 && isDeepStrictEqual(settingsIn(current), settings);
}

function settingsOf(body: SetSchedule, current: Schedule | undefined): Settings {
  return {
    cron: body.cron,
    timeZone: body.timeZone ?? defaults.timeZone,
    job: body.job,
    catchUp: body.catchUp ?? defaults.catchUp,
    catchUpMax: body.catchUpMax ?? defaults.catchUpMax,
    overlap: body.overlap ?? defaults.overlap,
    paused: body.paused ?? current?.paused ?? false,
  };
}

function settingsIn({ cron, timeZone, job, catchUp, catchUpMax, overlap, paused }: Schedule): Settings {
  return { cron, timeZone, job, catchUp, catchUpMax, overlap, paused };
}

function existing(name: string, current: Schedule | undefined): Settings {
  if (current === undefined) throw notFound(name);
  return settingsIn(current);
}

function notFound(name: string): BlixardError {
  return new BlixardError('SCHEDULE_NOT_FOUND', { schedule: name });
}
