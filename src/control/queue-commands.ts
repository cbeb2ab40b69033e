/** What users do to queues: set, pause, resume, redrive; each one batch. */
import type { Queue, Redrive, Redriven, SetQueue } from '../contract/queue.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Row, Statement } from '../store/database.ts';
import { integer, text } from '../store/statements/columns.ts';
import { joinLines, renewLines, unfinishedLines, useLines } from '../store/statements/lines.ts';
import {
  admitKeys,
  failedLeft,
  parkKeys,
  pauseQueue,
  redriveByReason,
  redriveFailed,
  redriveNamed,
  setQueue,
} from '../store/statements/queues.ts';
import { QueueQueries } from './queue-queries.ts';
import { settingsOf, valuesOf } from './queue-rows.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

/** The commands of users. Each may also reject with STORE_UNAVAILABLE. */
export class QueueCommands {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #queues: QueueQueries;

  constructor(deps: { db: Database; clock: Clock; signals: Signals }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
    this.#queues = new QueueQueries(deps);
  }

  /**
   * Sets all settings of a queue. A lower limit stops nothing that runs: no more is started until there is
   * room. When the limit per key changes, the pending jobs of the queue that have a key are looked at, once; when
   * its lines change, all its pending jobs, `limits.jobsPerStep` in a step. A rate begins with a full bucket. Throws
   * VALIDATION_FAILED for a rate per key beside turns of tenants.
   */
  async set(name: string, given: SetQueue): Promise<Queue> {
    const settings = settingsOf(given);
    if (settings.rateLimitPerKey !== null && settings.fairBy === 'tenant')
      throw new BlixardError('VALIDATION_FAILED', {
        field: 'fairBy',
        problem: 'is tenant; allowed beside rateLimitPerKey: none, key',
      });
    const values = { name, paused: 0, nowMs: this.#clock.nowMs(), ...valuesOf(settings) };
    const results = await this.#db.batch([
      parkKeys.with(values),
      admitKeys.with(values),
      renewLines.buckets.with(values),
      setQueue.with(values),
      renewLines.steps.with({ name }),
    ]);
    const row = results[3]?.rows[0];
    if (values.linesBy !== 'none' && row?.['in_lines'] === 0) await this.#formLines(name, values.linesBy);
    this.#signals.queueSet();
    this.#signals.room(name, limits.slotsMax);
    return this.#queues.read(name);
  }

  /** Goes on with what a process began that died while jobs joined their lines. */
  async finishLines(): Promise<void> {
    for (;;) {
      const rows = await this.#db.query(unfinishedLines.with({ limit: limits.pageMax }));
      for (const row of rows) {
        await this.#formLines(text(row, 'name'), text(row, 'lines_by'));
        this.#signals.room(text(row, 'name'), limits.slotsMax);
      }
      if (rows.length < limits.pageMax) return;
    }
  }

  /**
   * Every pending job joins its line; new ones do so by themselves. Until all have, claims go on as before. Another
   * set that comes in between forms the lines of its own.
   */
  async #formLines(name: string, linesBy: string): Promise<void> {
    const limit = limits.jobsPerStep;
    for (let after = 0; ; ) {
      const rows = (await this.#db.batch([joinLines.with({ name, after, limit })]))[0]?.rows ?? [];
      if (rows.length < limit) break;
      after = Math.max(...rows.map((row) => integer(row, 'seq')));
    }
    await this.#db.batch([useLines.with({ name, linesBy })]);
  }

  /** No more jobs of the queue are started; those that run go on. The same again changes nothing. */
  pause(name: string): Promise<Queue> {
    return this.#pause(name, 1);
  }

  /** The queue goes on, and who waits for its jobs is woken. The same again changes nothing. */
  async resume(name: string): Promise<Queue> {
    const queue = await this.#pause(name, 0);
    this.#signals.room(name, limits.slotsMax);
    return queue;
  }

  /** Puts failed jobs back, due at once, with all their attempts allowed anew; at most `limits.jobsPerStep`. */
  async redrive(name: string, { ids, reason, limit = limits.jobsPerStep }: Redrive): Promise<Redriven> {
    const nowMs = this.#clock.nowMs();
    const statement = (): Statement => {
      if (ids !== undefined)
        return redriveNamed.with({ name, reason: reason ?? null, ids: JSON.stringify(ids), nowMs });
      if (reason !== undefined) return redriveByReason.with({ name, reason, limit, nowMs });
      return redriveFailed.with({ name, limit, nowMs });
    };
    const rows = (await this.#db.batch([statement()]))[0]?.rows ?? [];
    this.#tellRedriven(name, rows);
    if (ids !== undefined) return { redriven: rows.length, more: false };
    const left = await this.#db.query(failedLeft.with({ name, reason: reason ?? null }));
    return { redriven: rows.length, more: left.some((row) => integer(row, 'more') === 1) };
  }

  async #pause(name: string, paused: 0 | 1): Promise<Queue> {
    const values = { name, paused, nowMs: this.#clock.nowMs(), ...valuesOf(settingsOf({})) };
    await this.#db.batch([pauseQueue.with(values)]);
    return this.#queues.read(name);
  }

  #tellRedriven(name: string, rows: readonly Row[]): void {
    const ready = rows.filter((row) => jobStateOf(row) === 'pending').length;
    if (ready > 0) this.#signals.room(name, ready);
    for (const row of rows) this.#signals.changed(text(row, 'id'));
  }
}
