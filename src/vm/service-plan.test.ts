import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterJob,
  afterQuiet,
  noServiceDemand,
  planServices,
  type ServiceBounds,
  type ServiceDemand,
} from './service-plan.ts';

const bounds: ServiceBounds = { min: 0, target: 0, max: 6, coolDownMs: 1_000 };

function entry(key: string, peak: number, jobs: number, usedAtMs = 0) {
  return { key, jobs, demand: { peak, usedAtMs, metAtMs: 0 } };
}

const planned = (entries: readonly ReturnType<typeof entry>[], more: Partial<ServiceBounds> = {}) =>
  Object.fromEntries(planServices(entries, { ...bounds, ...more }));

describe('how many service VMs a lane keeps', () => {
  it('is as many as it had jobs at once, less and less when they are not needed, none after the cool-down', () => {
    let demand: ServiceDemand = afterJob(noServiceDemand(0), 3, 0);
    expect(demand.peak).toBe(3);
    for (let nowMs = 100; nowMs <= 3_000; nowMs += 100) {
      demand = afterQuiet(afterJob(demand, 1, nowMs), 1, bounds, nowMs);
    }
    expect(demand.peak).toBe(1);
    expect(afterQuiet(demand, 0, bounds, 3_900).peak).toBe(1);
    expect(afterQuiet(demand, 1, bounds, 9_000).peak).toBe(1);
    expect(afterQuiet(demand, 0, bounds, 4_000).peak).toBe(0);
  });

  it('is the target beside the busy ones while it is in demand, and the minimum always', () => {
    expect(planned([entry('a', 1, 1), entry('b', 0, 0)], { target: 2 })).toEqual({ a: 3, b: 0 });
    expect(planned([entry('a', 1, 1), entry('b', 0, 0)], { min: 2 })).toEqual({ a: 2, b: 2 });
  });

  it('is shared out in turn, the lane used last first, when not all fits', () => {
    expect(planned([entry('old', 4, 1, 1), entry('new', 4, 0, 9)], { max: 4 })).toEqual({ old: 2, new: 2 });
    expect(planned([entry('old', 4, 1, 1), entry('new', 4, 0, 9)], { max: 2 })).toEqual({ old: 1, new: 1 });
  });

  it('stays within the bound for any lanes, and never ends what has a job', () => {
    const lane = fc.record({
      key: fc.uuid(),
      jobs: fc.integer({ min: 0, max: 4 }),
      demand: fc.record({ peak: fc.nat(8), usedAtMs: fc.nat(100), metAtMs: fc.constant(0) }),
    });
    const any = fc.record({ min: fc.nat(3), target: fc.nat(3), max: fc.nat(12), coolDownMs: fc.constant(1) });
    fc.assert(
      fc.property(fc.array(lane, { maxLength: 8 }), any, (lanes, of) => {
        const plan = planServices(lanes, of);
        const jobs = lanes.reduce((sum, one) => sum + one.jobs, 0);
        const vms = [...plan.values()].reduce((sum, one) => sum + one, 0);
        expect(vms).toBeLessThanOrEqual(Math.max(of.max, jobs));
        for (const { key, jobs: busy } of lanes) expect(plan.get(key)).toBeGreaterThanOrEqual(busy);
      }),
    );
  });
});
