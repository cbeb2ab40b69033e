import { describe, expect, it } from 'vitest';
import type { VmSpec } from '../hypervisor.ts';
import { qemuArguments } from './arguments.ts';

const spec: VmSpec = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  memoryMiB: 192,
  vcpus: 2,
  kernelPath: '/images/kernel',
  initrdPath: '/images/initrd',
  rootPath: '/images/with, comma/root',
  rootFsType: 'squashfs',
  runDir: '/run/vm',
  tscKhz: 2_599_998,
};

/** The value behind a switch. */
function argumentOf(args: readonly string[], name: string): string {
  return args[args.indexOf(name) + 1] ?? '';
}

describe('the command line of QEMU', () => {
  const tcg = qemuArguments(spec, 'tcg');

  it('names the VM, so that a sweep can find it', () => {
    expect(argumentOf(tcg, '-name')).toBe(`blixard-${spec.id}`);
  });

  it('gives memory, processors, kernel and initramfs', () => {
    expect(argumentOf(tcg, '-m')).toBe('192');
    expect(argumentOf(tcg, '-smp')).toBe('2');
    expect(argumentOf(tcg, '-kernel')).toBe('/images/kernel');
    expect(argumentOf(tcg, '-initrd')).toBe('/images/initrd');
  });

  it('takes nothing from the host that it was not given, and denies QEMU what it does not need', () => {
    expect(tcg).toEqual(expect.arrayContaining(['-nodefaults', '-no-user-config']));
    expect(tcg).not.toContain('-netdev');
    for (const denied of ['obsolete', 'elevateprivileges', 'spawn', 'resourcecontrol']) {
      expect(argumentOf(tcg, '-sandbox')).toContain(`${denied}=deny`);
    }
  });

  it('attaches the root image read-only, whatever stands in its path', () => {
    const disk = JSON.parse(argumentOf(tcg, '-blockdev')) as Record<string, unknown>;
    expect(disk).toMatchObject({ 'read-only': true, file: { filename: '/images/with, comma/root' } });
    expect(argumentOf(tcg, '-append')).toContain('vmroot=/dev/vda,squashfs');
  });

  it('tells the kernel the rate of its time stamp counter, to be relied on, only under software emulation', () => {
    const words = argumentOf(tcg, '-append').split(' ');
    expect(words).toEqual(expect.arrayContaining(['tsc_early_khz=2599998', 'tsc=reliable']));
    const { tscKhz: _, ...withoutTsc } = spec;
    expect(argumentOf(qemuArguments(withoutTsc, 'kvm'), '-append')).not.toContain('tsc');
  });

  it('lays programs at random addresses, but where that makes emulation translate them anew each time', () => {
    const commandLine = (accel: 'kvm' | 'tcg') =>
      argumentOf(qemuArguments(spec, accel), '-append').split(' ');
    expect(commandLine('kvm')).not.toContain('norandmaps');
    expect(commandLine('tcg')).toContain('norandmaps');
  });

  it('uses one acceleration, never a list that falls back in silence', () => {
    expect(argumentOf(tcg, '-accel')).toBe('tcg,tb-size=96');
    const kvm = qemuArguments(spec, 'kvm');
    expect(argumentOf(kvm, '-accel')).toBe('kvm');
    expect(argumentOf(kvm, '-cpu')).toBe('host');
    expect(kvm.filter((arg) => arg === '-accel')).toHaveLength(1);
  });
});

describe('the command line for a template', () => {
  const memoryOf = (args: readonly string[]) =>
    JSON.parse(argumentOf(args, '-object')) as Record<string, unknown>;
  const template = { dir: '/templates/with, comma' };

  it('has the memory in a file that the guest of the template writes, and its clones do not', () => {
    const make = qemuArguments({ ...spec, template: { ...template, act: 'make' } }, 'tcg', true);
    expect(memoryOf(make)).toMatchObject({ 'mem-path': '/templates/with, comma/memory', share: true });
    expect(memoryOf(make)).not.toHaveProperty('readonly');
    expect(argumentOf(make, '-machine')).toMatch(/,memory-backend=memory$/);
    expect(argumentOf(make, '-kernel')).toBe('/images/kernel');
    const start = qemuArguments({ ...spec, template: { ...template, act: 'start' } }, 'tcg');
    expect(memoryOf(start)).toMatchObject({ size: 192 * 1024 * 1024, share: false });
    expect(memoryOf(start)).not.toHaveProperty('readonly');
    expect(start).not.toContain('-kernel');
    expect(argumentOf(start, '-incoming')).toBe('defer');
  });

  it('opens that file for reading only where QEMU can', () => {
    const start = qemuArguments({ ...spec, template: { ...template, act: 'start' } }, 'tcg', true);
    expect(memoryOf(start)).toMatchObject({ readonly: true, rom: 'off', share: false });
  });
});
