/** Which slots of a schedule fire now, which are skipped, and when it looks next: pure, cron comes as a port. */
import { defaults } from './defaults.ts';
import { limits } from './limits.ts';

/** What to do about slots that nobody fired in time. */
export const catchUpPolicies = ['none', 'one', 'all'] as const;
export type CatchUp = (typeof catchUpPolicies)[number];

/** What to do at a slot when the job before it has not ended. */
export const overlapPolicies = ['skip', 'queue', 'replace'] as const;
export type Overlap = (typeof overlapPolicies)[number];

/** Why a slot was skipped: nobody fired it in time, or the job before it, or the one after it, stood in its way. */
export type SkipReason = 'missed' | 'overlap' | 'replaced';

/** The first slot after `afterMs`, epoch ms; null when there is none any more. */
export type NextAfter = (afterMs: number) => number | null;

export interface ScheduleFacts {
  readonly catchUp: CatchUp;
  /** Missed slots that `all` makes up for, the newest ones. */
  readonly catchUpMax: number;
  readonly overlap: Overlap;
  /** The first slot that was not decided yet. */
  readonly nextAtMs: number;
  /** The job of the slot before has not ended. */
  readonly previousLives: boolean;
  /** Jobs that have not ended and that one more would wait for; counts for the policy `queue` alone. */
  readonly queued: number;
}

/** A slot that is not run; `slots` counts all that it stands for, itself the newest of them. */
export interface Skip {
  readonly slotMs: number;
  readonly slots: number;
  readonly reason: SkipReason;
}

export interface ScheduleDecision {
  /** Oldest first. */
  readonly fire: readonly number[];
  readonly skip: readonly Skip[];
  /** The job before the first fired slot must end for it. */
  readonly replacePrevious: boolean;
  readonly lastSlotMs: number;
  readonly nextAtMs: number | null;
}

/** Decides all slots up to now; undefined when none is due. */
export function decideSlots(
  facts: ScheduleFacts,
  nowMs: number,
  nextAfter: NextAfter,
): ScheduleDecision | undefined {
  if (facts.nextAtMs > nowMs) return undefined;
  const { slots, before } = dueSlots(facts.nextAtMs, nowMs, nextAfter);
  const lastSlotMs = slots.at(-1) ?? facts.nextAtMs;
  const wanted = wantedSlots(facts, slots, nowMs);
  const missed = slots.slice(0, slots.length - wanted.length);
  const { fire, skip } = withoutOverlap(facts, wanted);
  const lastMissedMs = missed.at(-1);
  return {
    fire,
    skip: [
      ...(lastMissedMs === undefined
        ? []
        : [{ slotMs: lastMissedMs, slots: missed.length + before, reason: 'missed' } as const]),
      ...skip,
    ],
    replacePrevious: facts.overlap === 'replace' && facts.previousLives && fire.length > 0,
    lastSlotMs,
    nextAtMs: nextAfter(lastSlotMs),
  };
}

/** The newest of the due slots that this policy runs: those on time always, missed ones as it says. */
function wantedSlots(facts: ScheduleFacts, slots: readonly number[], nowMs: number): readonly number[] {
  const onTime = slots.filter((slotMs) => nowMs - slotMs <= defaults.slotOnTimeMs).length;
  const late = slots.length - onTime;
  const madeUp = { none: 0, one: onTime === 0 ? 1 : 0, all: facts.catchUpMax }[facts.catchUp];
  return slots.slice(late - Math.min(late, madeUp));
}

function withoutOverlap(
  facts: ScheduleFacts,
  wanted: readonly number[],
): { fire: readonly number[]; skip: readonly Skip[] } {
  const skipped = (slots: readonly number[], reason: SkipReason): Skip[] =>
    slots.map((slotMs) => ({ slotMs, slots: 1, reason }));
  switch (facts.overlap) {
    case 'queue': {
      const room = Math.max(0, 1 + limits.scheduleWaitingMax - facts.queued);
      return { fire: wanted.slice(0, room), skip: skipped(wanted.slice(room), 'overlap') };
    }
    case 'skip': {
      const runs = facts.previousLives ? 0 : 1;
      return { fire: wanted.slice(0, runs), skip: skipped(wanted.slice(runs), 'overlap') };
    }
    case 'replace':
      return { fire: wanted.slice(-1), skip: skipped(wanted.slice(0, -1), 'replaced') };
  }
}

/** The newest due slots, as many as one look takes. `before` is 1 when there are more: how many, nobody counts. */
function dueSlots(
  nextAtMs: number,
  nowMs: number,
  nextAfter: NextAfter,
): { slots: readonly number[]; before: number } {
  const all = slotsBetween(nextAtMs - 1, nowMs, nextAfter);
  if (all.length <= limits.slotsPerLook) return { slots: all, before: 0 };
  let newest: readonly number[] = [];
  // Halves the time until what is left of it holds neither too many slots nor too few.
  let [tooEarlyMs, lateEnoughMs] = [nextAtMs - 1, nowMs];
  while (lateEnoughMs - tooEarlyMs > 1 && newest.length < limits.slotsPerLook / 2) {
    const middleMs = Math.floor((tooEarlyMs + lateEnoughMs) / 2);
    const slots = slotsBetween(middleMs, nowMs, nextAfter);
    if (slots.length > limits.slotsPerLook) tooEarlyMs = middleMs;
    else {
      lateEnoughMs = middleMs;
      newest = slots;
    }
  }
  return { slots: newest, before: 1 };
}

/** The slots after `afterMs` up to `untilMs`; one more than a look takes tells that there are too many. */
function slotsBetween(afterMs: number, untilMs: number, nextAfter: NextAfter): readonly number[] {
  const slots: number[] = [];
  let slotMs = nextAfter(afterMs);
  while (slotMs !== null && slotMs <= untilMs && slots.length <= limits.slotsPerLook) {
    slots.push(slotMs);
    slotMs = nextAfter(slotMs);
  }
  return slots;
}
