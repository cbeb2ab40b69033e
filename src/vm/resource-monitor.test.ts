import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { identify } from '../hypervisor/process-table.ts';
import { pssKiBOf, usageOf } from '../hypervisor/process-usage.ts';
import { FakeClock } from '../platform/clock.ts';
import { type Log, silentLog } from '../platform/log.ts';
import { type Measured, ResourceMonitor } from './resource-monitor.ts';

const usage = { rssKiB: 100, anonKiB: 2_048, rssPeakKiB: 200, cpuMs: 30, readBytes: 4, writtenBytes: null };

describe('ResourceMonitor', () => {
  let clock: FakeClock;
  let vms: (Measured & { isPaused: boolean })[];
  let looks: string[];
  let shares: string[];
  let broken: readonly string[];
  let warnings: number;
  let monitor: ResourceMonitor;
  const vm = (id: string, isPaused = false) => ({
    id,
    isPaused,
    process: { pid: Number(id), startTicks: 1 },
  });
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1_000) {
      clock.advance(1_000);
      await new Promise(setImmediate);
    }
  };
  beforeEach(() => {
    clock = new FakeClock();
    looks = [];
    shares = [];
    broken = [];
    warnings = 0;
    const emfile = (): never => {
      throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
    };
    const log: Log = silentLog.child({});
    log.warn = () => {
      warnings++;
    };
    monitor = new ResourceMonitor({
      clock,
      log,
      vms: () => (broken.includes('vms') ? emfile() : vms),
      eyes: {
        usageOf: ({ pid }) => {
          looks.push(String(pid));
          if (broken.includes('usage')) emfile();
          return pid === 13 ? undefined : usage;
        },
        pssKiBOf: async ({ pid }) => {
          shares.push(String(pid));
          if (broken.includes('share')) emfile();
          return 50;
        },
      },
    });
  });

  it('looks at those that serve again and again, at their share of memory less often', async () => {
    vms = [vm('1'), vm('2')];
    expect(monitor.of(vms)).toEqual([undefined, undefined]);
    await pass(60_000);
    expect(looks).toHaveLength(2 * 12);
    expect(shares).toEqual(['1', '2', '1', '2']);
    expect(monitor.of(vms)[0]).toMatchObject({ ...usage, pssKiB: 50 });
    expect(monitor.ownMiB).toBe(4);
  });

  it('looks at paused ones once, and lies still when there is nothing else', async () => {
    vms = Array.from({ length: 10 }, (_, index) => vm(String(index), true));
    monitor.of(vms);
    await pass(60_000);
    expect(shares).toEqual(vms.map(({ id }) => id));
    expect(clock.waiting).toBe(0);
    const [first] = vms;
    if (first !== undefined) first.isPaused = false;
    monitor.of(vms);
    expect(clock.waiting).toBe(1);
  });

  it('asks for the shares of few at once', async () => {
    vms = Array.from({ length: 10 }, (_, index) => vm(String(index)));
    monitor.of(vms);
    await pass(5_000);
    expect(shares).toHaveLength(4);
  });

  it('forgets those that are gone, and stops when told to', async () => {
    vms = [vm('1')];
    monitor.of(vms);
    await pass(5_000);
    const [gone] = vms;
    vms = [vm('2')];
    await pass(5_000);
    expect(monitor.of(gone === undefined ? [] : [gone])).toEqual([undefined]);
    monitor.stop();
    expect(clock.waiting).toBe(0);
    monitor.of(vms);
    expect(clock.waiting).toBe(0);
  });

  it.each(['usage', 'share', 'vms'])('looks on after it could not: %s; it says so once', async (what) => {
    vms = [vm('1')];
    monitor.of(vms);
    await pass(5_000);
    broken = [what];
    await pass(60_000);
    expect(monitor.of(vms)[0]).toMatchObject(usage);
    expect(warnings).toBe(1);
    broken = [];
    vms.push(vm('2'));
    await pass(60_000);
    const seen = { ...usage, pssKiB: 50, atMs: clock.nowMs() };
    expect(monitor.of(vms)).toEqual([seen, seen]);
    expect(monitor.ownMiB).toBe(4);
    broken = [what];
    await pass(60_000);
    expect(warnings).toBe(2);
    monitor.stop();
    expect(clock.waiting).toBe(0);
  });

  it('looks at a paused one again where a part of the look failed', async () => {
    vms = [vm('1', true)];
    broken = ['usage'];
    monitor.of(vms);
    await pass(5_000);
    broken = [];
    await pass(10_000);
    expect(monitor.of(vms)[0]).toMatchObject(usage);
    expect(clock.waiting).toBe(0);
  });

  it('lets a look that fails cost nobody else theirs', async () => {
    vms = Array.from({ length: 10 }, (_, index) => vm(String(index)));
    broken = ['share'];
    monitor.of(vms);
    await pass(15_000);
    expect(new Set(shares).size).toBe(10);
  });

  it('keeps what it has seen last where it cannot look now', () => {
    const one = vm('1');
    vms = [one];
    broken = ['usage'];
    expect(monitor.measure(one)).toBeUndefined();
    broken = [];
    monitor.measure(one);
    broken = ['usage'];
    expect(monitor.measure(one)).toMatchObject(usage);
    expect(warnings).toBe(1);
  });

  it('tells the last it has seen of a process that is gone', () => {
    const [one] = [vm('1')];
    monitor.measure(one);
    expect(monitor.measure({ ...one, process: { pid: 13, startTicks: 1 } })).toMatchObject(usage);
    expect(monitor.measure(vm('13'))).toBeUndefined();
  });
});

describe('the usage of a process', () => {
  it('is that of the process and its children, and of no other that has its pid', async () => {
    const script = 'a=$(head -c 20000000 /dev/zero | tr "\\0" x); sleep 60 & wait';
    const child = spawn('sh', ['-c', script], { stdio: 'ignore', detached: true });
    await once(child, 'spawn');
    const identity = identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('a running process has no identity');
    while ((usageOf(identity)?.rssKiB ?? 0) < 20_000 || (usageOf(identity)?.cpuMs ?? 0) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const seen = usageOf(identity);
    expect(seen?.rssPeakKiB).toBeGreaterThanOrEqual(seen?.rssKiB ?? 0);
    const pssKiB = await pssKiBOf(identity);
    expect(pssKiB).toBeGreaterThan(10_000);
    // Looked at after it: the shell may still grow. Linux counts per processor, and adds that up some pages late.
    expect(pssKiB).toBeLessThanOrEqual((usageOf(identity)?.rssPeakKiB ?? 0) + 1_024);
    const other = { ...identity, startTicks: identity.startTicks - 1 };
    expect([usageOf(other), await pssKiBOf(other)]).toEqual([undefined, undefined]);
    process.kill(-identity.pid, 'SIGKILL');
    await once(child, 'exit');
    expect(usageOf(identity)).toBeUndefined();
  });
});
