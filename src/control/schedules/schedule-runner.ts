/**
 * Fires the slots of schedules when they come. Sleeps until the next one, never polls. A slot's run is written
 * with the move of its schedule, and its job submitted after it: what a crash cuts off is done at the next start.
 */

import { defaults } from '../../domain/defaults.ts';
import { isBlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { backoffDelayMs, infraBackoff } from '../../domain/retry.ts';
import { decideSlots, type ScheduleDecision } from '../../domain/schedule.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Log } from '../../platform/log.ts';
import type { Ids, Random } from '../../platform/random.ts';
import type { Database, Row } from '../../store/database.ts';
import { integer, integerOrNull, text, textOrNull } from '../../store/statements/columns.ts';
import {
  dueSchedules,
  forgetRuns,
  insertRuns,
  moveSchedule,
  nextSlot,
  pauseUnreadable,
} from '../../store/statements/schedules.ts';
import type { Signals, Unsubscribe } from '../signals.ts';
import { allDone } from './all-done.ts';
import { slotsOf } from './cron.ts';
import type { RunDelivery } from './run-delivery.ts';
import { timingOf } from './schedule-views.ts';
import { slotJobId } from './slot-job-id.ts';

/** One per control process; several of them on one store fire each slot once. */
export class ScheduleRunner {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #random: Random;
  readonly #log: Log;
  readonly #signals: Signals;
  readonly #delivery: RunDelivery;
  #nextAtMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #unsubscribe: Unsubscribe | undefined;

  constructor(deps: {
    db: Database;
    clock: Clock;
    ids: Ids;
    random: Random;
    log: Log;
    signals: Signals;
    delivery: RunDelivery;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#ids = deps.ids;
    this.#random = deps.random;
    this.#log = deps.log;
    this.#signals = deps.signals;
    this.#delivery = deps.delivery;
  }

  /** Takes up what an earlier process left, then watches the time. */
  start(): void {
    if (this.#unsubscribe !== undefined) return;
    this.#unsubscribe = this.#signals.onSlot((atMs) => {
      this.#nextAtMs = Math.min(this.#nextAtMs, atMs);
      if (this.#failures === 0) this.#arm();
    });
    this.#run();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }

  async #look(): Promise<void> {
    // First: an overlap is judged by jobs, not by runs that wait for theirs.
    await this.#delivery.deliverWaiting();
    for (;;) {
      const values = { nowMs: this.#clock.nowMs(), limit: limits.schedulesPerLook };
      const rows = await this.#db.query(dueSchedules.with(values), { level: 'linearizable' });
      await allDone(rows.map((row) => this.#fireOrPause(row)));
      if (rows.length > 0) await this.#delivery.deliverWaiting();
      if (rows.length < limits.schedulesPerLook) break;
    }
    await this.#loadNext();
  }

  async #loadNext(): Promise<void> {
    // Told while the query runs, a slot must not be forgotten.
    this.#nextAtMs = Number.POSITIVE_INFINITY;
    const [next] = await this.#db.query(nextSlot.with({}), { level: 'linearizable' });
    const atMs = next === undefined ? null : integerOrNull(next, 'next_at_ms');
    if (atMs !== null) this.#nextAtMs = Math.min(this.#nextAtMs, atMs);
  }

  /** A schedule that this program cannot read must not hold up the others. */
  async #fireOrPause(row: Row): Promise<void> {
    try {
      await this.#fire(row);
    } catch (error) {
      if (!isBlixardError(error, 'VALIDATION_FAILED')) throw error;
      const [name, version] = [text(row, 'name'), integer(row, 'version')];
      this.#log.error({ err: error, schedule: name }, 'a schedule cannot be read any more; it is paused');
      await this.#db.batch([pauseUnreadable.with({ name, version, nowMs: this.#clock.nowMs() })]);
    }
  }

  async #fire(row: Row): Promise<void> {
    const name = text(row, 'name');
    const [version, createdAtMs] = [integer(row, 'version'), integer(row, 'created_at_ms')];
    const readNextAtMs = integer(row, 'next_at_ms');
    const nowMs = this.#clock.nowMs();
    const decision = decide(row, readNextAtMs, nowMs);
    if (decision === undefined) return;
    const token = this.#ids();
    const { lastSlotMs, nextAtMs } = decision;
    await this.#db.batch([
      moveSchedule.with({ name, version, createdAtMs, readNextAtMs, lastSlotMs, nextAtMs, token }),
      insertRuns.with({ name, token, runs: runsText(name, createdAtMs, row, decision), nowMs }),
      forgetRuns.with({ name, keep: limits.scheduleRunsKept }),
    ]);
    failpoint('schedule-moved');
  }

  #run(): void {
    this.#running = this.#look().then(
      () => this.#settle(0),
      (error: unknown) => this.#settle(this.#failures + 1, error),
    );
  }

  #settle(failures: number, error?: unknown): void {
    this.#running = undefined;
    this.#failures = failures;
    if (failures > 0) this.#log.error({ err: error, failures }, `schedules: ${problemOf(error)}`);
    this.#arm();
  }

  /** One timer towards the next slot; after a failure to the end of the back-off. */
  #arm(): void {
    if (this.#unsubscribe === undefined || this.#running !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const delayMs = this.#failures > 0 ? this.#backoffMs() : this.#nextAtMs - this.#clock.nowMs();
    if (delayMs === Number.POSITIVE_INFINITY) return;
    const sleepMs = Math.min(Math.max(0, delayMs), defaults.clockCheckMs);
    this.#timer = this.#clock.after(sleepMs, () => this.#wake());
  }

  #wake(): void {
    // The slot is further away than one sleep, or the clock was set back.
    if (this.#failures === 0 && this.#nextAtMs > this.#clock.nowMs()) this.#arm();
    else this.#run();
  }

  #backoffMs(): number {
    return backoffDelayMs(infraBackoff, this.#failures, this.#random.unit());
  }
}

function decide(row: Row, nextAtMs: number, nowMs: number): ScheduleDecision | undefined {
  const { cron, timeZone, ...policies } = timingOf(row);
  const previousLives = integer(row, 'previous_lives') === 1;
  const facts = { ...policies, nextAtMs, previousLives, queued: integer(row, 'queued') };
  return decideSlots(facts, nowMs, slotsOf(cron, timeZone));
}

/** The runs of a decision as the store takes them, in order of their slots. */
function runsText(name: string, createdAtMs: number, row: Row, decision: ScheduleDecision): string {
  const [first] = decision.fire;
  const replaces = decision.replacePrevious ? textOrNull(row, 'replaces') : null;
  const runs = [
    ...decision.skip.map((skip) => ({ ...skip, outcome: 'skipped', replaces: null })),
    ...decision.fire.map((slotMs) => ({
      ...{ slotMs, slots: 1, outcome: 'firing', reason: null },
      replaces: slotMs === first ? replaces : null,
    })),
  ];
  return JSON.stringify(
    runs
      .sort((a, b) => a.slotMs - b.slotMs)
      .map((run) => ({ ...run, id: slotJobId(name, createdAtMs, run.slotMs) })),
  );
}
