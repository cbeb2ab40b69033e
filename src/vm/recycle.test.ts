import { describe, expect, it } from 'vitest';
import { identify } from '../hypervisor/process-table.ts';
import { vmmOverheadMiB } from './admission.ts';
import { whyRecycle } from './recycle.ts';
import { ownMiBOf } from './services.ts';

const life = { jobsMax: 3, uptimeMaxMs: 60_000, memoryPercentMax: 50 };
const age = { jobs: 2, uptimeMs: 59_999, memoryMiB: 44, ownMiB: (44 + vmmOverheadMiB) / 2 };

describe('a service VM', () => {
  it('goes on up to its bounds, and not past any of them', () => {
    expect(whyRecycle(age, life)).toBeUndefined();
    expect(whyRecycle({ ...age, jobs: 3 }, life)).toBe('it has served 3 jobs');
    expect(whyRecycle({ ...age, uptimeMs: 60_000 }, life)).toBe('it has been up for 60 s');
    expect(whyRecycle({ ...age, ownMiB: age.ownMiB + 1 }, life)).toBe('it takes 101 MiB of at most 100 MiB');
    expect(whyRecycle({ ...age, ownMiB: undefined }, life)).toBeUndefined();
  });

  it('takes as much memory as its process has of its own', async () => {
    const self = identify(process.pid);
    if (self === undefined) throw new Error('there is no /proc');
    const before = ownMiBOf(self) ?? 0;
    const more = Buffer.alloc(64 * 1024 ** 2, 1);
    expect((ownMiBOf(self) ?? 0) - before).toBeGreaterThan(50);
    expect(before).toBeLessThan(process.memoryUsage().rss / 1024 ** 2);
    expect(more).toHaveLength(64 * 1024 ** 2);
    expect(ownMiBOf({ ...self, startTicks: self.startTicks + 1 })).toBeUndefined();
  });
});
