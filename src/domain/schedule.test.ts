import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaults } from './defaults.ts';
import { limits } from './limits.ts';
import { catchUpPolicies, decideSlots, overlapPolicies, type ScheduleFacts } from './schedule.ts';

const minute = 60_000;
/** Slots at every multiple of `everyMs`. */
const every =
  (everyMs: number) =>
  (afterMs: number): number =>
    (Math.floor(afterMs / everyMs) + 1) * everyMs;

const facts = (over: Partial<ScheduleFacts> = {}): ScheduleFacts => ({
  catchUp: 'one',
  catchUpMax: 10,
  overlap: 'queue',
  nextAtMs: 100 * minute,
  previousLives: false,
  queued: 0,
  ...over,
});

const decide = (over: Partial<ScheduleFacts>, nowMs: number) => {
  const decision = decideSlots(facts(over), nowMs, every(minute));
  if (decision === undefined) throw new Error('nothing was due');
  return decision;
};

describe('a slot', () => {
  it('does not fire before its time', () => {
    expect(decideSlots(facts(), 100 * minute - 1, every(minute))).toBeUndefined();
  });

  it('fires at its time, and the next one is after it', () => {
    expect(decide({}, 100 * minute)).toEqual({
      fire: [100 * minute],
      skip: [],
      replacePrevious: false,
      lastSlotMs: 100 * minute,
      nextAtMs: 101 * minute,
    });
  });

  it('is on time up to the tolerance, even where missed ones are not run', () => {
    const lastOnTimeMs = 100 * minute + defaults.slotOnTimeMs;
    expect(decide({ catchUp: 'none' }, lastOnTimeMs).fire).toEqual([100 * minute]);
    expect(decide({ catchUp: 'none' }, lastOnTimeMs + 1).fire).toEqual([]);
  });
});

describe('slots that nobody fired in time', () => {
  const nowMs = 130.5 * minute;
  const missed = (slots: number, slotMs: number) => [{ slotMs: slotMs * minute, slots, reason: 'missed' }];

  it('none: are not run', () => {
    expect(decide({ catchUp: 'none' }, nowMs)).toMatchObject({ fire: [], skip: missed(31, 130) });
  });

  it('one: the newest stands for all', () => {
    expect(decide({ catchUp: 'one' }, nowMs)).toMatchObject({ fire: [130 * minute], skip: missed(30, 129) });
  });

  it('one: a slot that is on time stands for them', () => {
    expect(decide({ catchUp: 'one' }, 130 * minute).fire).toEqual([130 * minute]);
  });

  it('all: the newest up to the bound, oldest first', () => {
    expect(decide({ catchUp: 'all', catchUpMax: 3 }, nowMs)).toMatchObject({
      fire: [128 * minute, 129 * minute, 130 * minute],
      skip: missed(28, 127),
    });
    expect(decide({ catchUp: 'all', catchUpMax: 100 }, nowMs).fire).toHaveLength(31);
  });

  it('all: a schedule of every second after a year away fires its newest, soon', () => {
    let asked = 0;
    const nextAfter = (afterMs: number): number => {
      asked++;
      return every(1_000)(afterMs);
    };
    const yearMs = 365 * 24 * 60 * minute;
    const away = facts({ catchUp: 'all', catchUpMax: limits.catchUpMax, nextAtMs: 1_000 });
    const decision = decideSlots(away, yearMs + 500, nextAfter);
    expect(decision?.fire.at(-1)).toBe(yearMs);
    expect(decision?.fire).toHaveLength(limits.catchUpMax + defaults.slotOnTimeMs / 1_000);
    expect(decision?.nextAtMs).toBe(yearMs + 1_000);
    expect(asked).toBeLessThan(15_000);
  });

  it('all: finds the newest when they are all long ago', () => {
    const hourMs = 60 * minute;
    // Every second, in the first hour only.
    const nextAfter = (afterMs: number): number | null =>
      every(1_000)(afterMs) <= hourMs ? every(1_000)(afterMs) : null;
    const decision = decideSlots(facts({ catchUp: 'all', nextAtMs: 1_000 }), 100 * hourMs, nextAfter);
    expect(decision).toMatchObject({ lastSlotMs: hourMs, nextAtMs: null });
    expect(decision?.fire).toHaveLength(10);
  });
});

describe('a slot whose job before has not ended', () => {
  it('skip: is not run', () => {
    expect(decide({ overlap: 'skip', previousLives: true }, 100 * minute)).toMatchObject({
      fire: [],
      skip: [{ slotMs: 100 * minute, slots: 1, reason: 'overlap' }],
    });
    expect(decide({ overlap: 'skip' }, 100 * minute).fire).toHaveLength(1);
  });

  it('queue: is run all the same, while not too many wait', () => {
    const over = { overlap: 'queue', previousLives: true, catchUp: 'all' } as const;
    expect(decide({ ...over, queued: limits.scheduleWaitingMax - 1 }, 102.5 * minute)).toMatchObject({
      fire: [100 * minute, 101 * minute],
      skip: [{ slotMs: 102 * minute, slots: 1, reason: 'overlap' }],
      replacePrevious: false,
    });
    expect(decide({ ...over, queued: limits.scheduleWaitingMax + 1 }, 100 * minute).fire).toEqual([]);
  });

  it('replace: takes its place', () => {
    const over = { overlap: 'replace', previousLives: true } as const;
    expect(decide(over, 100 * minute)).toMatchObject({ fire: [100 * minute], replacePrevious: true });
    expect(decide({ ...over, catchUp: 'all' }, 102.5 * minute)).toMatchObject({
      fire: [102 * minute],
      skip: [100, 101].map((n) => ({ slotMs: n * minute, slots: 1, reason: 'replaced' })),
    });
  });
});

describe('any decision', () => {
  const anyFacts = fc.record({
    catchUp: fc.constantFrom(...catchUpPolicies),
    catchUpMax: fc.integer({ min: 1, max: limits.catchUpMax }),
    overlap: fc.constantFrom(...overlapPolicies),
    nextAtMs: fc.integer({ min: 1, max: 1_000 }).map((n) => n * minute),
    previousLives: fc.boolean(),
    queued: fc.integer({ min: 0, max: 2 * limits.scheduleWaitingMax }),
  });

  it('tells each due slot once: fired, or skipped with a reason', () => {
    fc.assert(
      fc.property(anyFacts, fc.integer({ min: 0, max: 200 * minute }), (given, lateMs) => {
        const nowMs = given.nextAtMs + lateMs;
        const decision = decideSlots(given, nowMs, every(minute));
        const due = Math.floor(lateMs / minute) + 1;
        const skipped = decision?.skip.reduce((sum, skip) => sum + skip.slots, 0) ?? 0;
        expect((decision?.fire.length ?? 0) + skipped).toBe(due);
        expect(decision?.nextAtMs).toBeGreaterThan(nowMs);
        expect(decision?.fire).toEqual([...(decision?.fire ?? [])].sort((a, b) => a - b));
      }),
    );
  });

  it('made step by step never takes a slot twice, wherever the clock is set', () => {
    const steps = fc.array(fc.integer({ min: -60 * minute, max: 60 * minute }), { maxLength: 50 });
    fc.assert(
      fc.property(anyFacts, steps, (given, moves) => {
        const taken = new Set<number>();
        let [nowMs, nextAtMs] = [given.nextAtMs, given.nextAtMs];
        for (const move of moves) {
          nowMs = Math.max(0, nowMs + move);
          const decision = decideSlots({ ...given, nextAtMs }, nowMs, every(minute));
          for (const slotMs of decision?.fire ?? []) {
            expect(taken.has(slotMs)).toBe(false);
            taken.add(slotMs);
          }
          nextAtMs = decision?.nextAtMs ?? nextAtMs;
        }
      }),
    );
  });
});
