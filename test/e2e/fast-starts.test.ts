import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import type { MicroVm } from '../../src/vm/micro-vm.ts';
import type { VmRecord } from '../../src/vm/registry.ts';
import type { VmService } from '../../src/vm/vm-service.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir, until } from '../lib/system.ts';
import { baseImage } from './real-vms.ts';

const never = new AbortController().signal;
const order = { image: 'base', memoryMiB: 128, vcpus: 1 };
const clockSource = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
/**
 * Time, host name, machine id, boot id, and what the kernel gives for random. Fails where a rehearsal left something,
 * and where the kernel goes by its ticks.
 */
const script =
  `date +%s%3N; [ ! -e /run/blixard ] || exit 1; ! grep -q jiffies ${clockSource} || exit 2;` +
  ' hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; od -An -tx1 -N16 /dev/urandom';
const patterns = [/^blixard-[0-9a-f]{12}$/, /^[0-9a-f]{32}$/, /^[0-9a-f-]{36}$/, /^( ?[0-9a-f]{2}){16}$/];
const poolSize = 2;

let dataDir = '';
let vms: VmService;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'blixard-fast-'));
  await baseImage();
  vms = await openHostVms({
    config: {
      ...{ dataDir, accel: 'auto', vmsMax: 8 },
      fastStarts: {
        ...{ templates: 'on', templateBytesMax: 1024 ** 3 },
        pool: { min: 0, target: poolSize, max: poolSize, memoryMiB: 4_000, coolDownMs: 600_000 },
      },
    },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  expect(vms.unavailableReason()).toBeNull();
});
afterEach(async () => {
  await Promise.all(vms.list().map((vm) => vms.kill(vm.id)));
});
afterAll(async () => {
  await vms.close();
  expect(await readdir(join(dataDir, 'vms'))).toEqual([]);
  await rm(dataDir, { recursive: true });
});

/** What the one command of a VM prints, and between which times of the host it was given its first line. */
interface Told {
  readonly lines: readonly string[];
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The time of the guest comes first, then what clones would have in common. */
async function ask(vm: MicroVm): Promise<Told> {
  let [text, untilMs] = ['', 0];
  const output = async (_: string, data: Buffer): Promise<void> => {
    if (text === '') untilMs = Date.now();
    text += data.toString();
  };
  const spec = { argv: ['sh', '-c', script], env: ['PATH=/usr/bin:/bin'], cwd: '/', uid: 0 };
  const fromMs = Date.now();
  expect(await vm.exec(spec, { stdin: Buffer.alloc(0), output }).exited).toMatchObject({ code: 0 });
  return { lines: text.trim().split('\n'), fromMs, untilMs };
}

/** Every VM tells other names and other random bytes, and the time of the host. */
async function expectAllTheirOwn(clones: readonly MicroVm[]): Promise<void> {
  const told = await Promise.all(clones.map(ask));
  for (const { lines, fromMs, untilMs } of told) {
    expect(Number(lines[0])).toBeGreaterThan(fromMs - 100);
    expect(Number(lines[0])).toBeLessThan(untilMs + 100);
  }
  for (const [index, pattern] of patterns.entries()) {
    const column = told.map(({ lines }) => lines[index + 1]);
    for (const text of column) expect(text).toMatch(pattern);
    expect(new Set(column).size).toBe(clones.length);
  }
}

/** CPU time of all VMMs of this host, in clock ticks. */
async function cpuTicks(): Promise<number> {
  let ticks = 0;
  for (const id of await readdir(join(dataDir, 'vms'))) {
    const record = JSON.parse(await readFile(join(dataDir, 'vms', id, 'vm.json'), 'utf8')) as VmRecord;
    const stat = await readFile(`/proc/${record.vmm?.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks;
}

const idle = () => until('the pool is full', async () => vms.pooled().idle === poolSize);

describe('VMs of a template', () => {
  it('restored or booted, have time, randomness and names of their own', async () => {
    const first = await vms.start(order, never);
    expect(first.facts).toMatchObject({ start: 'boot', startReason: expect.stringMatching(/template/) });
    await vms.warm(order);
    await idle();
    const taken = [await vms.start(order, never), await vms.start(order, never)];
    expect(taken.map(({ facts }) => facts.start)).toEqual(['pool', 'pool']);
    const restored = await vms.start(order, never);
    expect(restored.facts).toMatchObject({ start: 'restore', startReason: 'the pool was empty' });
    const all = [first, ...taken, restored];
    await expectAllTheirOwn(all);
  });

  it('that waited in the pool have the right time all the same, and use no CPU while they wait', async () => {
    await idle();
    const before = await cpuTicks();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await cpuTicks()) - before).toBeLessThan(3);
    const vm = await vms.start(order, never);
    expect(vm.facts.start).toBe('pool');
    await expectAllTheirOwn([vm]);
  });

  it('are not started from a template that somebody has written to, nor taken from its pool', async () => {
    await idle();
    const [key = ''] = await readdir(join(dataDir, 'templates'));
    const memory = join(dataDir, 'templates', key, 'memory');
    await writeFile(memory, 'x', { flag: 'r+' });
    await utimes(memory, 1, 1);
    const vm = await vms.start(order, never);
    expect(vm.facts).toMatchObject({
      start: 'boot',
      startReason: expect.stringMatching(/somebody changed its files/),
    });
  });
});
