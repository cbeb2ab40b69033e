/** What users do to queues: set, delete, pause, resume, redrive; each one batch. */
import type { Queue, Redrive, Redriven, SetQueue, SwitchedQueue } from '../contract/queue.ts';
import { BlixardError } from '../domain/errors.ts';
import { isEnded, type JobState } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Row } from '../store/database.ts';
import { integer, text, textOrNull } from '../store/statements/columns.ts';
import { joinLines, renewLines, unfinishedLines, useLines } from '../store/statements/lines.ts';
import {
  admitKeys,
  deleteQueue,
  failedAfter,
  failedByReasonAfter,
  parkKeys,
  pauseQueue,
  redriveNamed,
  redrivenBy,
  schedulesOfQueue,
  setQueue,
} from '../store/statements/queues.ts';
import { badValue } from './http/validation.ts';
import { isThere, QueueQueries } from './queue-queries.ts';
import { queueOf, settingsOf, valuesOf } from './queue-rows.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

/** Schedules named of a queue that has more. */
const schedulesShown = 5;

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
      throw badValue('fairBy', settings.fairBy, 'none or key beside rateLimitPerKey');
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

  /**
   * Takes the settings of a queue, and gives it back as it was; one without settings stays as it is. Its ended jobs are
   * kept as long as the defaults say from then on. Throws QUEUE_IN_USE while it has jobs that have not ended, or
   * schedules submit to it; QUEUE_NOT_FOUND.
   */
  async delete(name: string): Promise<Queue> {
    const values = { name, nowMs: this.#clock.nowMs() };
    const { tell, settings, buckets } = deleteQueue;
    const batch = [tell.with(values), settings.with({ name }), buckets.with({ name })];
    const row = (await this.#db.batch(batch))[1]?.rows[0];
    const queue = await this.#queues.read(name);
    this.#signals.queueSet();
    if (row !== undefined) return { ...queueOf(name, row, undefined), counts: queue.counts };
    await this.#assertUnused(queue);
    await this.#queues.assertKnown(name);
    if (queue.updatedAtMs === null) return queue;
    throw new BlixardError('QUEUE_IN_USE', { queue: name, problem: 'it was until now, try again' });
  }

  async #assertUnused({ name, counts }: Queue): Promise<void> {
    const unended = Object.entries(counts).filter(([state]) => !isEnded(state as JobState));
    const rows = await this.#db.query(schedulesOfQueue.with({ name, limit: schedulesShown }), {
      level: 'linearizable',
    });
    const jobs = unended.map(([state, count]) => `${count} ${state}`).join(', ');
    const schedules = rows.map((row) => text(row, 'name')).join(', ');
    const problem = [
      ...(jobs === '' ? [] : [`it has jobs that have not ended (${jobs})`]),
      ...(schedules === '' ? [] : [`schedules submit to it (${schedules})`]),
    ];
    if (problem.length > 0)
      throw new BlixardError('QUEUE_IN_USE', { queue: name, problem: problem.join(' and ') });
  }

  /** No more jobs of the queue are started; those that run go on. The same again changes nothing. */
  pause(name: string): Promise<SwitchedQueue> {
    return this.#pause(name, 1);
  }

  /** The queue goes on, and who waits for its jobs is woken. The same again changes nothing. */
  async resume(name: string): Promise<SwitchedQueue> {
    const queue = await this.#pause(name, 0);
    this.#signals.room(name, limits.slotsMax);
    return queue;
  }

  /**
   * Puts failed jobs back, due at once, with all their attempts allowed anew; at most `limits.jobsPerStep`. Those whose
   * unique key another job has stay as they are, and are not among the `more`. With `ids` and a key the same again puts
   * none back twice, and gives the same answer. Throws VALIDATION_FAILED for a key without `ids`.
   */
  async redrive(name: string, asked: Redrive, key?: string): Promise<Redriven> {
    const { ids, limit = limits.jobsPerStep, reason = null } = asked;
    if (key !== undefined && ids === undefined)
      throw badValue('idempotency-key', key, 'only beside ids: which jobs have failed changes');
    const free = ids ?? (await this.#failedAndFree(name, reason, limit + 1));
    const chosen = JSON.stringify(ids === undefined ? free.slice(0, limit) : [...new Set(ids)]);
    const values = { name, reason, ids: chosen, key: key ?? null, nowMs: this.#clock.nowMs() };
    const rows = (await this.#db.batch([redriveNamed.with(values)]))[0]?.rows ?? [];
    this.#tellRedriven(name, rows);
    const redriven = key === undefined ? rows.length : await this.#redrivenBy(name, chosen, key);
    return { redriven, more: ids === undefined && free.length > limit };
  }

  async #redrivenBy(name: string, ids: string, key: string): Promise<number> {
    const [row] = await this.#db.query(redrivenBy.with({ name, ids, key }), { level: 'linearizable' });
    return row === undefined ? 0 : integer(row, 'n');
  }

  /** The ids of the oldest failed jobs that can run again side by side, `count` at most; looks at them in steps. */
  async #failedAndFree(name: string, reason: string | null, count: number): Promise<string[]> {
    const limit = limits.jobsPerStep;
    const free = new Map<string, string>();
    for (let after = 0; free.size < count; ) {
      const page = { name, after, limit };
      const rows = await this.#db.query(
        reason === null ? failedAfter.with(page) : failedByReasonAfter.with({ ...page, reason }),
        { level: 'linearizable' },
      );
      for (const row of rows) {
        const id = text(row, 'id');
        const key = textOrNull(row, 'unique_key');
        // Of several with one key only the first can.
        const place = key === null ? `id ${id}` : `key ${key}`;
        if (integer(row, 'is_taken') === 0 && !free.has(place)) free.set(place, id);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) break;
      after = integer(last, 'seq');
    }
    return [...free.values()].slice(0, count);
  }

  async #pause(name: string, paused: 0 | 1): Promise<SwitchedQueue> {
    const isNew = !isThere(await this.#queues.read(name));
    const values = { name, paused, nowMs: this.#clock.nowMs(), ...valuesOf(settingsOf({})) };
    await this.#db.batch([pauseQueue.with(values)]);
    const queue = await this.#queues.read(name);
    return isNew ? { ...queue, isNew } : queue;
  }

  #tellRedriven(name: string, rows: readonly Row[]): void {
    const ready = rows.filter((row) => jobStateOf(row) === 'pending').length;
    if (ready > 0) this.#signals.room(name, ready);
    for (const row of rows) this.#signals.changed(text(row, 'id'));
  }
}
