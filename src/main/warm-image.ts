/** Builds the template of an image in this process, for the CLI. */
import type { TemplateLine, TemplateWish } from '../cli/context.ts';
import { tenantPattern } from '../contract/submit-options.ts';
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
export async function warmImage(deps: NodeDeps, name: string, wish: TemplateWish): Promise<TemplateLine> {
  const { tenant, ...size } = wish;
  refuseSize('--memory', size.memoryMiB, limits.memoryMiBMin, limits.memoryMiBMax);
  refuseSize('--cpus', size.vcpus, 1, limits.vcpusMax);
  const whose = tenant === undefined ? {} : ({ isolation: 'maximum', tenant: tenantOf(tenant) } as const);
  const hostConfig = hostVmConfigOf(deps.config);
  const { fastStarts } = hostConfig;
  const pool = { min: 0, target: 0, max: 0, memoryMiB: 0, coolDownMs: 1 };
  const config =
    fastStarts === undefined ? hostConfig : { ...hostConfig, fastStarts: { ...fastStarts, pool } };
  const vms = await openHostVms({ ...deps, config, images: new ImageStore({ dir: deps.config.imagesDir }) });
  try {
    return { image: name, ...(await vms.warm({ image: name, ...size, ...whose })) };
  } finally {
    await vms.close();
  }
}

function tenantOf(text: string): string {
  if (new RegExp(tenantPattern).test(text)) return text;
  const allowed = `letters, digits and ._@-, at most ${limits.nameLength}, a letter or digit first`;
  throw new BlixardError('USAGE', { problem: `--tenant ${text}: it must be ${allowed}` });
}

function refuseSize(flag: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new BlixardError('USAGE', { problem: `${flag} ${value}: it must be from ${min} to ${max}` });
}
