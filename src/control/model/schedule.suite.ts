/** What the model knows of a schedule: which slots run, which are skipped, and who waits for whom. */

import { isEnded } from '../../domain/job.ts';
import type { CatchUp, Overlap } from '../../domain/schedule.ts';
import type { Model } from './model.suite.ts';
import { type ModelJob, noOptions } from './model-parts.suite.ts';
import type { Plan } from './zones.suite.ts';

/** What is set of it. */
export interface ScheduleSettings {
  readonly plan: Plan;
  readonly queue: string;
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  readonly catchUpMax: number;
}

/** A slot as `schedule get` tells it; of missed ones only the newest is told. */
interface Slot {
  readonly slotMs: number;
  readonly slots: number;
  readonly outcome: 'fired' | 'skipped';
  readonly reason: string | null;
}

const onTimeMs = 10_000;

export class ModelSchedule {
  readonly name: string;
  settings: ScheduleSettings;
  nextAtMs: number | null;
  fired = 0;
  skipped = 0;
  #lastSlotMs = 0;
  /** In the order of their runs. */
  readonly #jobs: ModelJob[] = [];

  constructor(name: string, settings: ScheduleSettings, nowMs: number) {
    this.name = name;
    this.settings = settings;
    this.nextAtMs = settings.plan.slotAfter(nowMs);
  }

  /** Other slots count from now on; what was decided is not decided again. */
  set(settings: ScheduleSettings, nowMs: number): void {
    const isSame = settings.plan.cron === this.settings.plan.cron;
    this.settings = settings;
    if (!isSame && this.nextAtMs !== null) this.nextAtMs = this.#nextAfter(nowMs);
  }

  pause(): void {
    this.nextAtMs = null;
  }

  /** What passed meanwhile is not missed; what was decided is not decided again. */
  resume(nowMs: number): void {
    this.nextAtMs ??= this.#nextAfter(nowMs);
  }

  #nextAfter(nowMs: number): number {
    return this.settings.plan.slotAfter(Math.max(nowMs, this.#lastSlotMs));
  }

  /** What a look of the runner decides of all slots up to now, oldest first. */
  decide(nowMs: number): Slot[] {
    if (this.nextAtMs === null || this.nextAtMs > nowMs) return [];
    const due: number[] = [];
    const { slotAfter } = this.settings.plan;
    for (let slotMs = this.nextAtMs; slotMs <= nowMs; slotMs = slotAfter(slotMs)) due.push(slotMs);
    this.#lastSlotMs = due.at(-1) ?? 0;
    this.nextAtMs = slotAfter(nowMs);
    const { wanted, missed } = this.#caughtUp(due, nowMs);
    const decided = [...this.#missed(missed), ...this.#overlapping(wanted)];
    this.skipped += decided.reduce((sum, { outcome, slots }) => sum + (outcome === 'skipped' ? slots : 0), 0);
    return decided;
  }

  /** Its job; one of a slot waits for those before it, or ends the one before, if it is set so. */
  fire(model: Model, id: string, nowMs: number, isSlot: boolean): void {
    const { queue, overlap } = this.settings;
    const going = this.#jobs.filter(({ state }) => !isEnded(state));
    const last = this.#jobs.at(-1);
    const why = { reason: `replaced by the next job of schedule ${this.name}`, by: `schedule:${this.name}` };
    if (isSlot && overlap === 'replace' && last !== undefined) model.cancel(last, nowMs, why);
    const after = isSlot && overlap === 'queue' ? going : [];
    const job = { ...noOptions, id, queue, attemptsMax: 1, priority: 0, runAtMs: nowMs };
    this.#jobs.push(model.submit({ ...job, after, afterFailed: 'run' }, nowMs));
    this.fired++;
  }

  #caughtUp(due: readonly number[], nowMs: number): { wanted: readonly number[]; missed: readonly number[] } {
    const { catchUp, catchUpMax } = this.settings;
    const isOnTime = (slotMs: number): boolean => nowMs - slotMs <= onTimeMs;
    const late = due.filter((slotMs) => !isOnTime(slotMs));
    const anyOnTime = late.length < due.length;
    const madeUp = catchUp === 'all' ? catchUpMax : catchUp === 'one' && !anyOnTime ? 1 : 0;
    const missed = late.slice(0, Math.max(0, late.length - madeUp));
    return { wanted: due.slice(missed.length), missed };
  }

  #missed(missed: readonly number[]): Slot[] {
    const slotMs = missed.at(-1);
    if (slotMs === undefined) return [];
    return [{ slotMs, slots: missed.length, outcome: 'skipped', reason: 'missed' }];
  }

  #overlapping(wanted: readonly number[]): Slot[] {
    const { overlap } = this.settings;
    const last = this.#jobs.at(-1);
    const lives = last !== undefined && !isEnded(last.state);
    return wanted.map((slotMs, index) => {
      const isSkipped = {
        queue: false,
        skip: lives || index > 0,
        replace: index < wanted.length - 1,
      }[overlap];
      const reason = overlap === 'replace' ? 'replaced' : 'overlap';
      return {
        slotMs,
        slots: 1,
        outcome: isSkipped ? 'skipped' : 'fired',
        reason: isSkipped ? reason : null,
      };
    });
  }
}
