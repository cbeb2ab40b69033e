/** The command line of QEMU for one VM: a pure function, every switch with the reason for it. */
import { join } from 'node:path';
import { type Accel, templateFiles, type VmSpec } from '../hypervisor.ts';

/** Where QEMU finds the host's end of the agent channel, of its control channel, and the state to start from. */
export const agentFd = 3;
export const qmpFd = 4;
export const stateFd = 5;
/** The kind of computer that QEMU plays, and what starts its kernel. */
export const machineType = 'microvm';
export const firmware = 'qboot.rom';
const memoryId = 'memory';
/**
 * What QEMU may have translated, by default up to 1 GiB; it takes what it uses. When it is full, all of it is thrown
 * away: Node's start and end take 62 MiB, and with 64 its next line took 0.2 s more.
 */
export const translationMiB = 96;
/** Name of the virtio-serial port that the agent looks for. */
const agentPortName = 'agent';

/** Stands in the command line of a VM's QEMU, so that a sweep finds it by the id of the VM. */
export function processName(vmId: string): string {
  return `blixard-${vmId}`;
}

/**
 * Arguments for `qemu-system-x86_64`, the program itself excluded.
 *
 * @param mapsReadOnly this QEMU can map a file of memory that it may only read.
 */
export function qemuArguments(spec: VmSpec, accel: Accel, mapsReadOnly = false): string[] {
  return [
    ...['-name', processName(spec.id)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...memory(spec, mapsReadOnly),
    ...machine(spec, accel),
    ...['-smp', String(spec.vcpus), '-m', String(spec.memoryMiB)],
    ...(spec.template?.act === 'start' ? ['-incoming', 'defer'] : kernel(spec, accel)),
    ...agentChannel(),
    ...['-chardev', `socket,id=qmp,fd=${qmpFd}`, '-mon', 'chardev=qmp,mode=control'],
    ...rootDisk(spec.rootPath),
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ];
}

/**
 * `rtc=off` costs 2.8 s (time-outs reading the clock chip), without the PIT the kernel cannot calibrate; the
 * interrupt controller and USB are not needed. qboot starts a kernel faster than the default firmware.
 */
function machine({ template }: VmSpec, accel: Accel): string[] {
  const backend = template === undefined ? '' : `,memory-backend=${memoryId}`;
  const board = ['-machine', `${machineType},pic=off,pit=on,rtc=on,usb=off${backend}`, '-bios', firmware];
  if (accel === 'kvm') return [...board, '-accel', 'kvm', '-cpu', 'host'];
  // A leaner processor than max boots 0.1 s (8 %) faster and runs no slower, but programs built for AVX2 would die.
  return [...board, '-accel', `tcg,tb-size=${translationMiB}`, '-cpu', 'max'];
}

/** A template's memory is a file: written by the VM that makes it, mapped copy-on-write by those it starts. */
function memory({ template, memoryMiB }: VmSpec, mapsReadOnly: boolean): string[] {
  if (template === undefined) return [];
  const share = template.act === 'make';
  const backend = {
    'qom-type': 'memory-backend-file',
    id: memoryId,
    size: memoryMiB * 1_024 ** 2,
    'mem-path': join(template.dir, templateFiles.memory),
    share,
    // Read-only is the file; the guest writes to its own copies of the pages.
    ...(mapsReadOnly && !share ? { readonly: true, rom: 'off' } : {}),
  };
  return ['-object', JSON.stringify(backend)];
}

function kernel(spec: VmSpec, accel: Accel): string[] {
  const commandLine = kernelCommandLine(spec, accel);
  return ['-kernel', spec.kernelPath, '-initrd', spec.initrdPath, '-append', commandLine];
}

/** What the kernel and, behind `vmroot`, the agent are told. */
function kernelCommandLine(spec: VmSpec, accel: Accel): string {
  return [
    'quiet',
    'console=ttyS0',
    '8250.nr_uarts=1',
    // A panic or a restart ends the VM: by triple fault, which needs no device, and at once.
    'reboot=t',
    'panic=-1',
    ...clock(spec),
    // Self tests and address randomisation cost 0.25 s; neither protects a guest that runs one job.
    'cryptomgr.notests',
    'nokaslr',
    // Code is translated for its address: at another one each time, a program takes 22 ms to start instead of 9.
    ...(accel === 'tcg' ? ['norandmaps'] : []),
    `vmroot=/dev/vda,${spec.rootFsType}`,
  ].join(' ');
}

/**
 * Without the rate one boot of five never ends: calibration against the PIT fails when the host is busy. Without trust
 * the kernel compares it with its ticks, of which emulation loses some, and goes by those from then on: in steps of
 * 4 ms, 2 to 4 % late, with 250 interrupts a second also where nothing runs.
 */
function clock({ tscKhz }: VmSpec): string[] {
  return tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`, 'tsc=reliable'];
}

function agentChannel(): string[] {
  return [
    ...['-device', 'virtio-serial-device,id=serial,max_ports=2'],
    ...['-chardev', `socket,id=agent,fd=${agentFd}`],
    ...['-device', `virtserialport,bus=serial.0,nr=1,chardev=agent,name=${agentPortName}`],
  ];
}

/** An image never changes, so its file needs no lock; QEMU opens it read-only, whatever the guest does. */
function rootDisk(rootPath: string): string[] {
  const file = { driver: 'file', filename: rootPath, locking: 'off' };
  const disk = { 'node-name': 'root', driver: 'raw', 'read-only': true, file };
  return ['-blockdev', JSON.stringify(disk), '-device', 'virtio-blk-device,drive=root'];
}
