/** Builds the template of an image in this process, for the CLI. */
import type { TemplateLine, VmSize } from '../cli/context.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { ImageStore } from '../image/image-store.ts';
import { openHostVms } from '../worker/host-vms.ts';
import type { NodeDeps } from './node-deps.ts';
import { hostVmConfigOf } from './worker-config.ts';

/**
 * Rejects with USAGE, IMAGE_MISSING, TEMPLATE_FAILED, and VM_MANAGER_UNAVAILABLE where VMs cannot run or a worker
 * owns those of the data directory; that one builds templates itself.
 */
export async function warmImage(deps: NodeDeps, name: string, size: VmSize): Promise<TemplateLine> {
  refuseSize('--memory', size.memoryMiB, limits.memoryMiBMin, limits.memoryMiBMax);
  refuseSize('--cpus', size.vcpus, 1, limits.vcpusMax);
  const hostConfig = hostVmConfigOf(deps.config);
  const { fastStarts } = hostConfig;
  const pool = { min: 0, target: 0, max: 0, memoryMiB: 0, coolDownMs: 1 };
  const config =
    fastStarts === undefined ? hostConfig : { ...hostConfig, fastStarts: { ...fastStarts, pool } };
  const vms = await openHostVms({ ...deps, config, images: new ImageStore({ dir: deps.config.imagesDir }) });
  try {
    return { image: name, ...(await vms.warm({ image: name, ...size })) };
  } finally {
    await vms.close();
  }
}

function refuseSize(flag: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new BlixardError('USAGE', { problem: `${flag} ${value}: it must be from ${min} to ${max}` });
}
