/** Checks of what VMs need: the manager, QEMU and its acceleration, the image. */
import { join } from 'node:path';
import { defaults } from '../../domain/defaults.ts';
import { type BlixardError, isBlixardError } from '../../domain/errors.ts';
import { formatBytes } from '../../domain/units.ts';
import type { Capabilities, LockIn } from '../../hypervisor/hypervisor.ts';
import { QemuHypervisor } from '../../hypervisor/qemu/qemu.ts';
import { ImageStore } from '../../image/image-store.ts';
import { silentLog } from '../../platform/log.ts';
import { buildBaseCommand } from '../images.ts';
import { type Check, type Diagnosis, fail, ok, type Surgery, warn } from './check.ts';

const mib = 1_024 ** 2;

/** VMs were not switched off. */
export const vmManagerCheck: Check = {
  name: 'VM manager',
  async look({ env }) {
    const skip = env['SKIP_VM_MANAGER'] ?? '';
    if (skip === '') return ok('on');
    return fail(`off: SKIP_VM_MANAGER is ${skip}, so this host starts no VMs`, 'unset SKIP_VM_MANAGER');
  },
};

/** QEMU is there, and how it runs VMs on this host. */
export const qemuCheck: Check = {
  name: 'QEMU',
  async look(surgery) {
    const { accel } = surgery.config;
    try {
      const { version, accelReason, accel: chosen } = await capabilitiesFor(surgery);
      const text = `${version}, ${accelReason}`;
      if (chosen === 'kvm' || accel === 'tcg') return ok(text);
      return warn(
        text,
        'Jobs run, several times slower. KVM needs a /dev/kvm that works and that you may open (group kvm).',
      );
    } catch (error) {
      if (!isBlixardError(error, 'VM_MANAGER_UNAVAILABLE')) throw error;
      return fail(reasonOf(error), 'npm run setup installs what is missing.');
    }
  },
};

function capabilitiesFor({ config, clock }: Surgery): Promise<Capabilities> {
  const { accel, qemu: program, sandbox } = config;
  return new QemuHypervisor({ clock, log: silentLog, accel, program, sandbox }).capabilities();
}

/** A guest that takes its VMM over is still kept from the host. */
export const lockInCheck: Check = {
  name: 'lock-in',
  async look(surgery) {
    try {
      return diagnosisOf((await capabilitiesFor(surgery)).lockIn);
    } catch (error) {
      if (!isBlixardError(error, 'VM_MANAGER_UNAVAILABLE')) throw error;
      return warn('not known without QEMU', 'See above.');
    }
  },
};

function diagnosisOf({ sandbox, sandboxReason, cgroups, cgroupsReason }: LockIn): Diagnosis {
  const box = `${sandbox === 'none' ? 'no sandbox' : sandbox}: ${sandboxReason}`;
  const groups = `${cgroups === 'none' ? 'no cgroups' : `cgroups ${cgroups}`}: ${cgroupsReason}`;
  const mends = [
    ...(sandbox === 'none'
      ? ['Install bubblewrap and allow it namespaces (sandbox = required insists).']
      : []),
    ...(cgroups === 'none'
      ? ['Run the worker as root, or as a service with Delegate=yes and DelegateSubgroup=worker.']
      : []),
  ];
  const text = `${box}; ${groups}`;
  return mends.length === 0 ? ok(text) : warn(text, mends.join(' '));
}

/** The base image is there and whole. */
export const imageCheck: Check = {
  name: 'base image',
  async look({ config: { imagesDir } }) {
    const build = buildBaseCommand(imagesDir);
    try {
      const image = await new ImageStore({ dir: imagesDir }).find(defaults.image);
      if (image === undefined) return fail(`not in ${imagesDir}`, build);
      return ok(`${image.name}:${image.tag}, ${formatBytes(image.bytes)}, in ${imagesDir}`);
    } catch (error) {
      if (!isBlixardError(error, 'IMAGE_INVALID')) throw error;
      return fail(error.message, build);
    }
  },
};

function reasonOf(error: BlixardError): string {
  return String(error.details['reason'] ?? error.message);
}

/** VMs can be started from templates, and where they are kept. */
export const templatesCheck: Check = {
  name: 'templates',
  async look(surgery) {
    const { config } = surgery;
    const { templates, templatesMaxMiB, poolTarget, poolMax, poolMemoryMiB } = config;
    if (templates === 'off') return warn('off: every VM is booted', 'Remove templates = off.');
    const room = `${formatBytes(templatesMaxMiB * mib)} for templates in ${join(config.dataDir, 'templates')}`;
    const pool = `${poolTarget} VMs ready per image, at most ${poolMax} in ${formatBytes(poolMemoryMiB * mib)}`;
    const text = `${room}; ${poolTarget === 0 ? 'no pool' : pool}`;
    try {
      const found = await capabilitiesFor(surgery);
      if (found.templates === 'read-only') return ok(text);
      return ok(`${text}; QEMU ${found.version} must be able to write them, so they are watched for changes`);
    } catch (error) {
      if (!isBlixardError(error, 'VM_MANAGER_UNAVAILABLE')) throw error;
      return warn(text, 'They need QEMU, see above.');
    }
  },
};
