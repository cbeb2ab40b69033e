import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeHypervisor } from '../hypervisor/fake/fake-hypervisor.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { addImage, makeDir, tagged } from '../image/image-scene.suite.ts';
import { ImageStore } from '../image/image-store.ts';
import { FakeClock } from '../platform/clock.ts';
import { testIds, VmHost } from './vm-host.suite.ts';

const never = new AbortController().signal;
const order = { image: 'base', memoryMiB: 128, vcpus: 1 };

let host: VmHost;
beforeEach(async () => {
  host = await VmHost.make();
});
afterEach(() => host.clean());

/** A driver on a host with a /dev/kvm, unless KVM was found to be broken. */
function kvmDriver(badKvm: boolean, fake: FakeHypervisor, version = '1'): Hypervisor {
  return {
    name: fake.name,
    capabilities: async () => ({ ...(await fake.capabilities()), version, accel: badKvm ? 'tcg' : 'kvm' }),
    fingerprint: (spec) => fake.fingerprint(spec),
    start: (spec) => fake.start(spec),
    recover: (ids) => fake.recover(ids),
    close: () => fake.close(),
  };
}

const hostRecord = async (): Promise<unknown> =>
  JSON.parse(await readFile(join(host.dataDir, 'host.json'), 'utf8'));

describe('openVmService', () => {
  it('has no VMs when SKIP_VM_MANAGER is set to anything', async () => {
    const vms = await host.open({ env: { SKIP_VM_MANAGER: '0' } });
    expect(vms.unavailableReason()).toContain('SKIP_VM_MANAGER');
    expect(host.drivers).toEqual([]);
    expect((await host.open({ env: { SKIP_VM_MANAGER: '' } })).isAvailable()).toBe(true);
  });

  it('says what is missing', async () => {
    const noQemu = await host.open({}, { unavailable: 'there is no qemu' });
    expect(noQemu.unavailableReason()).toBe('there is no qemu');
    const none = { find: async () => undefined, list: async () => [] };
    expect((await host.open({ images: none })).unavailableReason()).toContain('there is no image');
    const noBoot = await host.open({}, { bootOf: () => ({ outcome: 'exit', afterMs: 0 }) });
    expect(noBoot.unavailableReason()).toMatch(/The microVM did not start: .*could not load the kernel/);
    expect(await host.folders()).toEqual([]);
  });

  it('is proven by an image that is well when others are damaged, the default one too', async () => {
    const dir = await makeDir();
    await tagged(dir, 'base', 'latest', 'garbage');
    const images = new ImageStore({ dir });
    const none = await host.open({ images });
    expect(none.unavailableReason()).toMatch('The image base:latest on this host is damaged');
    await none.close();
    await addImage(dir, 'python', 'latest');
    const vms = await host.open({ images });
    expect(vms.unavailableReason()).toBeNull();
    expect((await vms.start({ ...order, image: 'python' }, never)).state).toBe('ready');
  });

  it('says so when left VMs cannot be ended', async () => {
    await mkdir(join(host.dataDir, 'vms', testIds()), { recursive: true });
    const driver = host.driver();
    driver.recover = () => Promise.reject(new Error('cannot be ended'));
    const vms = await host.open({ hypervisorFor: () => driver });
    expect(vms.unavailableReason()).toBe('cannot be ended');
  });

  it('looks for what dead workers left when it left no VM, and closes its driver after its last VM', async () => {
    const driver = host.driver();
    const asked: (readonly string[])[] = [];
    const recover = driver.recover.bind(driver);
    driver.recover = (ids) => {
      asked.push(ids);
      return recover(ids);
    };
    const vms = await host.open({ hypervisorFor: () => driver });
    expect(asked).toEqual([[]]);
    await vms.start(order, never);
    expect(driver.closedWith).toBeUndefined();
    await vms.close();
    expect(driver.closedWith).toBe(0);
  });

  it('proves the host by one boot, and remembers', async () => {
    await host.open().then((vms) => vms.close());
    expect(host.host.live).toEqual([]);
    expect(await host.folders()).toEqual([]);
    expect(host.drivers.map((driver) => driver.starts)).toEqual([1]);
    const again = await host.open();
    expect(host.drivers.map((driver) => driver.starts)).toEqual([1, 0]);
    const assumed = /cpu MHz\s*:\s*([\d.]+)/.exec(await readFile('/proc/cpuinfo', 'utf8'))?.[1];
    expect(again.host()?.tscKhz).toBe(Math.round(Number(assumed) * 1_000));
  });

  it('proves it again when the kernel is another or the record is damaged', async () => {
    await host.open().then((vms) => vms.close());
    await writeFile(host.image.kernelPath, 'another');
    await host.open().then((vms) => vms.close());
    await writeFile(join(host.dataDir, 'host.json'), '{');
    await host.open();
    expect(host.drivers.map((driver) => driver.starts)).toEqual([1, 1, 1]);
  });

  it('proves it again when the record is JSON of another shape, and believes nothing in it', async () => {
    const file = join(host.dataDir, 'host.json');
    await host.open().then((vms) => vms.close());
    const whole = JSON.parse(await readFile(file, 'utf8'));
    const damaged = [null, [], { ...whole, tscKhz: '1 init=/bin/sh' }, { ...whole, tscKhz: -1 }];
    for (const record of damaged) {
      await writeFile(file, JSON.stringify(record));
      const vms = await host.open();
      expect(vms.unavailableReason()).toBeNull();
      expect(vms.host()?.tscKhz).toBe(whole.tscKhz);
      await vms.close();
    }
    expect(host.drivers.map((driver) => driver.starts)).toEqual([1, 1, 1, 1, 1]);
  });

  it('falls back to software emulation when KVM hangs, and remembers that too', async () => {
    const asked: boolean[] = [];
    const hypervisorFor = ({ badKvm }: { badKvm: boolean }): Hypervisor => {
      asked.push(badKvm);
      return kvmDriver(
        badKvm,
        host.driver({ bootOf: () => ({ outcome: badKvm ? 'agent' : 'hang', afterMs: 0 }) }),
      );
    };
    const vms = await host.open({ hypervisorFor });
    expect(vms.host()?.capabilities.accel).toBe('tcg');
    expect((await vms.start(order, never)).facts.accel).toBe('tcg');
    await vms.close();
    expect(await hostRecord()).toMatchObject({ accel: 'tcg', badKvm: true });
    const again = await host.open({ hypervisorFor });
    expect(again.host()?.capabilities.accel).toBe('tcg');
    expect(asked).toEqual([false, true, false, true]);
  });

  it('gives a broken KVM another chance with another VMM version', async () => {
    const hang = { outcome: 'hang', afterMs: 0 } as const;
    const agent = { outcome: 'agent', afterMs: 0 } as const;
    const old = await host.open({
      hypervisorFor: ({ badKvm }) =>
        kvmDriver(badKvm, host.driver({ bootOf: () => (badKvm ? agent : hang) })),
    });
    expect(old.host()?.capabilities.accel).toBe('tcg');
    await old.close();
    const newer = await host.open({
      hypervisorFor: ({ badKvm }) => kvmDriver(badKvm, host.driver(), '2'),
    });
    expect(newer.host()?.capabilities.accel).toBe('kvm');
  });

  it('takes KVM that boots a kernel, and tells guests no rate then', async () => {
    const vms = await host.open({ hypervisorFor: () => kvmDriver(false, host.driver()) });
    expect(vms.host()).toMatchObject({ capabilities: { accel: 'kvm' }, tscKhz: undefined });
    expect(await hostRecord()).toMatchObject({ accel: 'kvm', badKvm: false, tscKhz: null });
  });

  it('sweeps what a killed worker left: VMs, folders, and folders without a record', async () => {
    const vms = await host.open();
    const vm = await vms.start(order, never);
    const left = host.host.find(vm.id);
    const other = await VmHost.make();
    await mkdir(join(other.dataDir, 'vms', vm.id), { recursive: true });
    await mkdir(join(other.dataDir, 'vms', testIds()), { recursive: true });
    await writeFile(join(other.dataDir, 'vms', 'notes.txt'), 'not a VM');
    const swept = await other.open({ hypervisorFor: () => host.driver() });
    expect(swept.isAvailable()).toBe(true);
    expect(await left?.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(await other.folders()).toEqual(['notes.txt']);
    await other.clean();
  });

  it('does not touch the VMs of another live worker of the same directory', async () => {
    const first = await host.open();
    const vm = await first.start(order, never);
    const second = await host.open();
    expect(second.unavailableReason()).toContain('another process of this host owns the VMs');
    expect(vm.state).toBe('ready');
    await first.close();
    expect((await host.open()).isAvailable()).toBe(true);
  });

  it('has them once that other process has ended, without a restart', async () => {
    const other = await host.open();
    const clock = new FakeClock();
    const vms = await host.open({ clock });
    clock.advance(5_000);
    await other.close();
    expect(vms.isAvailable()).toBe(false);
    clock.advance(10_000);
    while (!vms.isAvailable()) await new Promise((resolve) => setTimeout(resolve, 2));
    expect((await vms.start(order, never)).state).toBe('ready');
  });
});
