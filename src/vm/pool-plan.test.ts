import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterTake, afterTime, type Demand, noDemand, type PoolBounds, planPool } from './pool-plan.ts';

const bounds: PoolBounds = { min: 1, target: 2, max: 6, memoryMiB: 2_000, coolDownMs: 1_000 };
const idle: Demand = { wanted: 0, takenAtMs: Number.NEGATIVE_INFINITY, changedAtMs: 0 };

const sum = (plan: ReadonlyMap<string, number>): number => [...plan.values()].reduce((a, b) => a + b, 0);

describe('the size of a pool', () => {
  it('is the minimum before anybody asks, the target from the first job on', () => {
    const before = noDemand(bounds, 0);
    expect(before.wanted).toBe(1);
    expect(afterTake(before, false, bounds, 5).wanted).toBe(2);
    expect(afterTake(before, true, bounds, 5).wanted).toBe(2);
  });

  it('grows by one for each job that found none, up to the maximum', () => {
    let demand = afterTake(noDemand(bounds, 0), false, bounds, 1);
    for (let misses = 0; misses < 20; misses++) demand = afterTake(demand, false, bounds, 2);
    expect(demand.wanted).toBe(6);
  });

  it('shrinks to the target while jobs find what they want, and to the minimum when none comes', () => {
    let demand: Demand = { wanted: 6, takenAtMs: 0, changedAtMs: 0 };
    for (let nowMs = 100; nowMs <= 10_000; nowMs += 100) {
      demand = afterTime(afterTake(demand, true, bounds, nowMs), bounds, nowMs);
    }
    expect(demand.wanted).toBe(2);
    expect(afterTime(demand, bounds, 10_900).wanted).toBe(2);
    expect(afterTime(demand, bounds, 11_000).wanted).toBe(1);
  });

  it('is shared out in turn, the image asked for last first, when not all fits', () => {
    const of = (key: string, wanted: number, takenAtMs: number) => {
      return { key, costMiB: 500, demand: { ...idle, wanted, takenAtMs } };
    };
    const plan = planPool([of('old', 4, 1), of('new', 4, 9), of('never', 0, 5)], {
      ...bounds,
      memoryMiB: 1_500,
    });
    expect(Object.fromEntries(plan)).toEqual({ old: 1, new: 2, never: 0 });
  });
});

/** One template on a host that makes a VM ready in `readyMs`, asked by jobs at these times. */
function simulate(arrivals: readonly number[], readyMs: number, endMs: number) {
  let demand = noDemand(bounds, 0);
  let [ready, hits] = [0, 0];
  const preparing: number[] = [];
  const sizes: number[] = [];
  for (let nowMs = 0; nowMs <= endMs; nowMs += 10) {
    while ((preparing[0] ?? Number.POSITIVE_INFINITY) <= nowMs) {
      preparing.shift();
      ready++;
    }
    for (const _ of arrivals.filter((atMs) => atMs >= nowMs && atMs < nowMs + 10)) {
      const hit = ready > 0;
      demand = afterTake(demand, hit, bounds, nowMs);
      if (hit) [ready, hits] = [ready - 1, hits + 1];
    }
    demand = afterTime(demand, bounds, nowMs);
    const wanted = planPool([{ key: 'a', costMiB: 252, demand }], bounds).get('a') ?? 0;
    ready = Math.min(ready, wanted);
    while (ready + preparing.length < wanted) preparing.push(nowMs + readyMs);
    sizes.push(ready + preparing.length);
  }
  return { sizes, hits, wanted: demand.wanted };
}

describe('a pool over time', () => {
  it('meets a steady demand that is slower than it refills', () => {
    const arrivals = Array.from({ length: 50 }, (_, nth) => 500 + nth * 400);
    expect(simulate(arrivals, 300, 21_000).hits).toBe(50);
  });

  it('is never above its bounds and settles, whatever comes', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 });
    fc.assert(
      fc.property(times, fc.integer({ min: 10, max: 2_000 }), (arrivals, readyMs) => {
        const { sizes, wanted } = simulate(arrivals, readyMs, 30_000);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(bounds.max);
        expect(wanted).toBe(bounds.min);
        expect(sizes.at(-1)).toBe(bounds.min);
      }),
      { numRuns: 60 },
    );
  });

  it('stays within count and memory for any mix of images', () => {
    const entry = fc.record({
      key: fc.uuid(),
      costMiB: fc.integer({ min: 80, max: 3_000 }),
      demand: fc.record({
        wanted: fc.integer({ min: 0, max: 10 }),
        takenAtMs: fc.integer({ min: 0, max: 100 }),
        changedAtMs: fc.constant(0),
      }),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
        const plan = planPool(entries, bounds);
        const memoryMiB = entries.reduce(
          (total, { key, costMiB }) => total + costMiB * (plan.get(key) ?? 0),
          0,
        );
        expect(sum(plan)).toBeLessThanOrEqual(bounds.max);
        expect(memoryMiB).toBeLessThanOrEqual(bounds.memoryMiB);
        for (const { key, demand } of entries) expect(plan.get(key)).toBeLessThanOrEqual(demand.wanted);
      }),
    );
  });
});
