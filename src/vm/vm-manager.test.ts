import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogStream } from '../contract/log.ts';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import { addImage, makeDir, tagged } from '../image/image-scene.suite.ts';
import { ImageStore } from '../image/image-store.ts';
import { zygotesLabel } from '../image/manifest.ts';
import { breakerBounds } from './breaker.ts';
import { fastClock, VmHost } from './vm-host.suite.ts';

const never = new AbortController().signal;
const order = { image: 'base', memoryMiB: 128, vcpus: 1 };
const spec = (...argv: string[]) => ({ argv, env: [], cwd: '/', uid: 0 });

let host: VmHost;
beforeEach(async () => {
  host = await VmHost.make();
});
afterEach(() => host.clean());

/** The first VM of a service is the one that proves the host. */
const afterProbe =
  (bootOf: NonNullable<FakeHypervisorDeps['bootOf']>): NonNullable<FakeHypervisorDeps['bootOf']> =>
  (vm, nth) =>
    nth === 1 ? { outcome: 'agent', afterMs: 0 } : bootOf(vm, nth - 1);

async function waitUntil(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('VmManager', () => {
  it('starts a VM, runs a command in it, and leaves nothing of it', async () => {
    const vms = await host.open();
    const vm = await vms.start(order, never);
    expect(vm.state).toBe('ready');
    expect(vms.find(vm.id)).toBe(vm);
    expect(vms.list()).toEqual([vm]);
    expect(vms.count()).toBe(1);
    expect(vm.facts).toMatchObject({ vmId: vm.id, hypervisor: 'fake', accel: 'tcg', start: 'boot' });
    expect(vm.facts.image).toBe(host.image.digest);
    const chunks: [LogStream, string][] = [];
    const exec = vm.exec(spec('echo', 'hello'), {
      stdin: Buffer.alloc(0),
      output: async (stream, data) => void chunks.push([stream, data.toString()]),
    });
    expect(vm.state).toBe('busy');
    expect((await exec.exited).code).toBe(0);
    expect(chunks).toEqual([['stdout', 'hello\n']]);
    expect(vm.state).toBe('draining');
    await vms.kill(vm.id);
    expect(vm.state).toBe('terminated');
    expect(vms.find(vm.id)).toBeUndefined();
    expect(vms.count()).toBe(0);
    expect(await host.folders()).toEqual([]);
    await vms.kill(vm.id);
  });

  it('has its record on disk before the VMM is started, and then which process it is', async () => {
    const read = (id: string) => readFile(join(host.dataDir, 'vms', id, 'vm.json'), 'utf8');
    const vms = await host.open();
    const driver = host.drivers.at(-1) ?? host.driver();
    const start = driver.start.bind(driver);
    const seen: string[] = [];
    driver.start = async (vm) => {
      seen.push(await read(vm.id));
      return await start(vm);
    };
    const vm = await vms.start(order, never);
    expect(JSON.parse(seen[0] ?? '')).toMatchObject({ id: vm.id, memoryMiB: 128, vmm: null });
    expect(JSON.parse(await read(vm.id))).toMatchObject({ id: vm.id, vmm: host.host.find(vm.id)?.identity });
  });

  it('tries a boot that fails once more', async () => {
    const vms = await host.open(
      {},
      {
        bootOf: afterProbe((_vm, nth) => (nth === 1 ? 'refuse' : { outcome: 'agent', afterMs: 0 })),
      },
    );
    const vm = await vms.start(order, never);
    expect(vm.state).toBe('ready');
    expect(vms.count()).toBe(1);
  });

  it('says what the console said when a VM never boots, and leaves nothing', async () => {
    const vms = await host.open({}, { bootOf: afterProbe(() => ({ outcome: 'hang', afterMs: 0 })) });
    const failure = await vms.start(order, never).catch((error) => error);
    expect(failure).toMatchObject({ code: 'VM_BOOT_FAILED' });
    expect(failure.message).toMatch(/did not answer within 2s; console: fake VM .* booted/);
    expect(host.drivers.at(-1)?.starts).toBe(3);
    expect(vms.count()).toBe(0);
    expect(await host.folders()).toEqual([]);
    expect(host.host.live).toEqual([]);
  });

  it('says what the VMM said when it ends at once, and not only that it did', async () => {
    const vms = await host.open({}, { bootOf: afterProbe(() => ({ outcome: 'exit', afterMs: 0 })) });
    const failure = await vms.start(order, never).catch((error) => error);
    expect(failure).toMatchObject({ code: 'VM_BOOT_FAILED' });
    expect(failure.message).toContain('VMM: fake VMM: could not load the kernel');
  });

  it('leaves no VMM when the zygotes of its image cannot be read', async () => {
    let isReadable = true;
    const read = (): string => {
      if (!isReadable) throw new Error('EMFILE: too many open files');
      return 'python3';
    };
    Object.defineProperty(host.image.labels, zygotesLabel, { get: read });
    const vms = await host.open();
    isReadable = false;
    await expect(vms.start(order, never)).rejects.toThrow('EMFILE');
    expect(host.host.live).toEqual([]);
    expect(await host.folders()).toEqual([]);
    expect(vms.count()).toBe(0);
  });

  it('ends a boot that is not wanted any more', async () => {
    const vms = await host.open({}, { bootOf: afterProbe(() => ({ outcome: 'hang', afterMs: 0 })) });
    const abort = new AbortController();
    const starting = vms.start(order, abort.signal);
    await waitUntil(() => host.host.live.length === 1);
    abort.abort(new Error('not wanted'));
    await expect(starting).rejects.toThrow('not wanted');
    expect(host.drivers.at(-1)?.starts).toBe(2);
    expect(await host.folders()).toEqual([]);
    expect(host.host.live).toEqual([]);
    expect(vms.count()).toBe(0);
  });

  it('a VM that crashes is failed, its command rejects, and its place is free again', async () => {
    const vms = await host.open({ vmsMax: 1 });
    const vm = await vms.start(order, never);
    const exec = vm.exec(spec('crash'), { stdin: Buffer.alloc(0), output: async () => undefined });
    await expect(exec.exited).rejects.toMatchObject({ code: 'VM_CRASHED' });
    await vm.exited;
    expect(vm.state).toBe('failed');
    expect(vm.console()).toContain('Kernel panic');
    await vms.kill((await vms.start(order, never)).id);
    expect(() => vm.exec(spec('echo'), { stdin: Buffer.alloc(0), output: async () => undefined })).toThrow(
      /it was failed before the command/,
    );
  });

  it('ends a VM whose guest breaks the protocol', async () => {
    const vms = await host.open();
    const vm = await vms.start(order, never);
    const exec = vm.exec(spec('garbage'), { stdin: Buffer.alloc(0), output: async () => undefined });
    await expect(exec.exited).rejects.toMatchObject({ code: 'GUEST_PROTOCOL' });
    await vm.exited;
    expect(vm.state).toBe('failed');
  });

  it('stops a VM in good order', async () => {
    const vms = await host.open();
    const vm = await vms.start(order, never);
    const startedMs = fastClock.monotonicMs();
    await vms.stop(vm.id, 60_000);
    expect(fastClock.monotonicMs() - startedMs).toBeLessThan(30_000);
    expect(vm.state).toBe('terminated');
    await vms.stop(vm.id, 60_000);
  });

  it('names the images there are when one is missing', async () => {
    const vms = await host.open();
    const start = vms.start({ ...order, image: 'other' }, never);
    await expect(start).rejects.toMatchObject({ code: 'IMAGE_MISSING', details: { known: 'base:latest' } });
  });

  it('goes by the images that are well when others are damaged', async () => {
    const dir = await makeDir();
    for (const name of ['base', 'bad']) await addImage(dir, name, 'latest');
    await tagged(dir, 'broken', 'latest', 'garbage');
    const images = new ImageStore({ dir });
    const bad = await images.find('bad');
    const vms = await host.open(
      { images },
      {
        bootOf: ({ initrdPath }) => ({
          outcome: initrdPath === bad?.initrdPath ? 'exit' : 'agent',
          afterMs: 0,
        }),
      },
    );
    const missing = vms.start({ ...order, image: 'other' }, never);
    await expect(missing).rejects.toMatchObject({ details: { known: 'bad:latest, base:latest' } });
    const { failuresMax } = breakerBounds;
    for (let n = 0; n < failuresMax; n++) {
      await expect(vms.start({ ...order, image: 'bad' }, never)).rejects.toMatchObject({
        code: 'VM_BOOT_FAILED',
      });
    }
    // Whether the host is well is looked at now, with an image that is not damaged.
    const starts = 1 + 2 * failuresMax + 1;
    await waitUntil(() => host.drivers[0]?.starts === starts || vms.unavailableReason() !== null);
    expect(vms.unavailableReason()).toBeNull();
  });

  it('starts no more VMs at once than it may, and all in the end', async () => {
    const vms = await host.open({ vmsMax: 2 });
    let most = 0;
    const run = async (): Promise<void> => {
      const vm = await vms.start(order, never);
      most = Math.max(most, host.host.live.length);
      await vms.kill(vm.id);
    };
    await Promise.all(Array.from({ length: 8 }, run));
    expect(most).toBeLessThanOrEqual(2);
    expect(await host.folders()).toEqual([]);
  });

  it('closes with VMs live, starting and waiting: all end, none is started any more', async () => {
    const bootOf = afterProbe((_vm, nth) => ({ outcome: nth === 1 ? 'agent' : 'hang', afterMs: 0 }));
    const vms = await host.open({ vmsMax: 2 }, { bootOf });
    const vm = await vms.start(order, never);
    const starts = [vms.start(order, never), vms.start(order, never)].map((start) => start.catch((e) => e));
    await waitUntil(() => host.host.live.length === 2);
    await vms.close();
    for (const error of await Promise.all(starts)) {
      expect(error).toMatchObject({ code: 'VM_MANAGER_UNAVAILABLE' });
    }
    expect(vm.state).toBe('terminated');
    expect(host.host.live).toEqual([]);
    expect(await host.folders()).toEqual([]);
    await expect(vms.start(order, never)).rejects.toMatchObject({ code: 'VM_MANAGER_UNAVAILABLE' });
    await vms.close();
  });
});
