/**
 * Moves what time moves: jobs that become due or expire, rates that have tokens again, workers whose lease
 * is over. Sleeps until then, never polls.
 */

import { defaults } from '../domain/defaults.ts';
import { problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { backoffDelayMs, infraBackoff } from '../domain/retry.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import type { Database } from '../store/database.ts';
import { integer, integerOrNull, text } from '../store/statements/columns.ts';
import { failExpired, nextDue, promoteDue } from '../store/statements/due.ts';
import { bucketsOfSetClock, openRates } from '../store/statements/rates.ts';
import { expireWorker, leasesAfter, overdueWorkers, putBack } from '../store/statements/workers.ts';
import { tellMoved } from './moved.ts';
import type { Signals, Unsubscribe } from './signals.ts';

/** One per control process. */
export class Scheduler {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #random: Random;
  readonly #log: Log;
  readonly #leaseMs: number;
  /** When each live worker's lease ends, as this process was told; one entry per live worker. */
  readonly #leases = new Map<string, number>();
  #dueAtMs = Number.POSITIVE_INFINITY;
  /** No lease is taken for over before: after a start or a pause, workers get the time to come back. */
  #leasesCountFromMs = 0;
  #failures = 0;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  /** Wall clock minus monotonic clock: it changes when the wall clock is set. */
  #clockOffsetMs = 0;
  /** The wall clock may have been set back since buckets of rates were looked at. */
  #clockIsNew = true;
  #running: Promise<void> | undefined;
  #listening: Unsubscribe[] = [];
  #started = false;

  constructor(deps: {
    db: Database;
    clock: Clock;
    signals: Signals;
    random: Random;
    log: Log;
    leaseMs?: number;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
    this.#random = deps.random;
    this.#log = deps.log;
    this.#leaseMs = deps.leaseMs ?? defaults.leaseMs;
  }

  /**
   * Begins to watch the time. A worker whose lease ended while no scheduler ran gets one more lease to come
   * back.
   */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#leasesCountFromMs = this.#clock.nowMs() + this.#leaseMs;
    this.#clockOffsetMs = this.#clock.nowMs() - this.#clock.monotonicMs();
    this.#listening = [
      this.#signals.onDue((atMs) => {
        this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
        this.#armBefore(atMs);
      }),
      this.#signals.onLease((workerId, untilMs) => {
        if (untilMs === null) this.#leases.delete(workerId);
        else this.#leases.set(workerId, untilMs);
        // A renewed lease ends later: the timer finds that out when it fires.
        if (this.#clockWasSet()) this.#startAnew();
        else if (untilMs !== null) this.#armBefore(untilMs);
      }),
    ];
    this.#run(() => this.#firstLook());
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#timer?.cancel();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    for (const unsubscribe of this.#listening) unsubscribe();
    this.#listening = [];
    await this.#running;
  }

  /** Does all that is due now, whatever it was told before. Rejects with STORE_UNAVAILABLE. */
  async tick(): Promise<void> {
    await this.#moveDue();
    await this.#expire();
  }

  /** What a start, or a failure, has to find out anew. */
  async #firstLook(): Promise<void> {
    this.#clockIsNew = true;
    await this.#loadLeases();
    await this.#loadNextDue();
    await this.#look();
  }

  async #look(): Promise<void> {
    if (this.#clockIsNew) await this.#mendBuckets();
    const nowMs = this.#clock.nowMs();
    if (this.#dueAtMs <= nowMs) await this.#moveDue();
    if (this.#nextLeaseMs() <= nowMs) await this.#expire();
  }

  async #moveDue(): Promise<void> {
    // First what expires: a job that is due and expired must not be claimed in between.
    for (const statement of [failExpired, promoteDue]) await this.#moveAll(statement);
    await this.#openRates();
    await this.#loadNextDue();
  }

  /** No bucket is emptier than empty by the time it is now. */
  async #mendBuckets(): Promise<void> {
    this.#clockIsNew = false;
    for (;;) {
      const values = { nowMs: this.#clock.nowMs(), limit: limits.dueJobsPerBatch };
      const statements = Object.values(bucketsOfSetClock).map((statement) => statement.with(values));
      const found = (await this.#db.batch(statements)).map(({ rows }) => rows);
      for (const queue of new Set(found.flat().map((row) => text(row, 'queue'))))
        this.#signals.room(queue, limits.slotsMax);
      if (found.some((rows) => rows.length === limits.dueJobsPerBatch)) continue;
      if (found.some((rows) => rows.length > 0)) await this.#loadNextDue();
      return;
    }
  }

  /** Who waits for a token is woken: all, because how many there are says the claim. */
  async #openRates(): Promise<void> {
    for (;;) {
      const values = { nowMs: this.#clock.nowMs(), limit: limits.dueJobsPerBatch };
      const rows = (await this.#db.batch([openRates.with(values)]))[0]?.rows ?? [];
      for (const queue of new Set(rows.map((row) => text(row, 'queue'))))
        this.#signals.room(queue, limits.slotsMax);
      if (rows.length < limits.dueJobsPerBatch) break;
    }
  }

  async #moveAll(statement: typeof promoteDue): Promise<void> {
    for (;;) {
      const values = { nowMs: this.#clock.nowMs(), limit: limits.dueJobsPerBatch };
      const rows = (await this.#db.batch([statement.with(values)]))[0]?.rows ?? [];
      tellMoved(this.#signals, rows);
      if (rows.length < limits.dueJobsPerBatch) break;
    }
  }

  async #loadNextDue(): Promise<void> {
    // Told while the query runs, a due time must not be forgotten.
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    const [next] = await this.#db.query(nextDue.with({}), { level: 'linearizable' });
    for (const column of ['run_at_ms', 'expires_at_ms', 'opens_at_ms']) {
      const atMs = next === undefined ? null : integerOrNull(next, column);
      if (atMs !== null) this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
    }
  }

  async #expire(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#leasesCountFromMs) return;
    for (;;) {
      const values = { nowMs, limit: limits.overdueWorkersPerLook };
      const rows = await this.#db.query(overdueWorkers.with(values), { level: 'linearizable' });
      for (const row of rows) await this.#expireWorker(text(row, 'id'), nowMs);
      if (rows.length < limits.overdueWorkersPerLook) break;
    }
    for (const [id, untilMs] of this.#leases) if (untilMs <= nowMs) this.#leases.delete(id);
    await this.#loadLeases();
  }

  async #expireWorker(id: string, nowMs: number): Promise<void> {
    const [expired, back] = await this.#db.batch([
      expireWorker.with({ id, nowMs }),
      putBack.with({ workerId: id, nowMs }),
    ]);
    const moved = back?.rows ?? [];
    tellMoved(this.#signals, moved);
    if (expired?.rows.length !== 1) return;
    this.#log.warn({ workerId: id, jobs: moved.length }, 'a worker lost its lease; its jobs are put back');
    this.#signals.lease(id, null);
    this.#signals.cancel(id);
  }

  async #loadLeases(): Promise<void> {
    let after = { untilMs: -1, id: '' };
    for (;;) {
      const rows = await this.#db.query(leasesAfter.with({ ...after, limit: limits.pageMax }));
      for (const row of rows) {
        after = { untilMs: integer(row, 'lease_until_ms'), id: text(row, 'id') };
        // What a worker said meanwhile is newer.
        if (!this.#leases.has(after.id)) this.#leases.set(after.id, after.untilMs);
      }
      if (rows.length < limits.pageMax) return;
    }
  }

  /** Runs one look, and after it sets the timer for the next. */
  #run(look: () => Promise<void>): void {
    this.#running = look().then(
      () => this.#settle(0),
      (error: unknown) => this.#settle(this.#failures + 1, error),
    );
  }

  #settle(failures: number, error?: unknown): void {
    this.#running = undefined;
    this.#failures = failures;
    if (failures > 0) this.#log.error({ err: error, failures }, `scheduler: ${problemOf(error)}`);
    this.#arm();
  }

  /** Something is due earlier than the timer; a back-off goes on all the same, or news would put it off for ever. */
  #armBefore(atMs: number): void {
    if (this.#failures === 0 && atMs < this.#timerAtMs) this.#arm();
  }

  /** One timer, at the next time something is due; after a failure not before the back-off is over. */
  #arm(): void {
    if (!this.#started || this.#running !== undefined) return;
    const nowMs = this.#clock.nowMs();
    const atMs = this.#failures > 0 ? nowMs + this.#backoffMs() : this.#nextMs();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (atMs === Number.POSITIVE_INFINITY) return;
    // A wall clock that was set forward must be noticed before a timer that was set by the old one is over.
    const delayMs = Math.min(Math.max(0, atMs - nowMs), defaults.clockCheckMs);
    this.#timerAtMs = nowMs + delayMs;
    this.#timer = this.#clock.after(delayMs, () => this.#fire());
  }

  #fire(): void {
    this.#forgiveIfLate();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    // Leases were renewed meanwhile, or the time is further away than a timer reaches.
    if (this.#failures === 0 && this.#nextMs() > this.#clock.nowMs()) this.#arm();
    else this.#run(() => (this.#failures > 0 ? this.#firstLook() : this.#look()));
  }

  /** A timer this late tells that the process was stopped, and that nobody could renew; so does a set clock. */
  #forgiveIfLate(): void {
    const nowMs = this.#clock.nowMs();
    const isLate = nowMs - this.#timerAtMs > this.#leaseMs / 3;
    if (this.#clockWasSet() || isLate) this.#leasesCountFromMs = nowMs + this.#leaseMs;
  }

  /** True once after each time the wall clock was set, in either direction. */
  #clockWasSet(): boolean {
    const offsetMs = this.#clock.nowMs() - this.#clock.monotonicMs();
    if (Math.abs(offsetMs - this.#clockOffsetMs) <= this.#leaseMs / 3) return false;
    this.#clockOffsetMs = offsetMs;
    this.#clockIsNew = true;
    return true;
  }

  /** Leases count from the new time on, and what is due by it is due now. */
  #startAnew(): void {
    this.#leasesCountFromMs = this.#clock.nowMs() + this.#leaseMs;
    if (this.#failures === 0) this.#arm();
  }

  #nextMs(): number {
    return this.#clockIsNew ? 0 : Math.min(this.#dueAtMs, this.#nextLeaseMs());
  }

  #nextLeaseMs(): number {
    let untilMs = Number.POSITIVE_INFINITY;
    for (const each of this.#leases.values()) untilMs = Math.min(untilMs, each);
    return Math.max(untilMs, this.#leasesCountFromMs);
  }

  #backoffMs(): number {
    return backoffDelayMs(infraBackoff, this.#failures, this.#random.unit());
  }
}
