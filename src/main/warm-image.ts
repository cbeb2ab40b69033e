/** Has the template of an image built for the CLI: by the worker of the data directory, or in this process. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TemplateLine, TemplateWish } from '../cli/context.ts';
import { tenantPattern } from '../contract/submit-options.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { ImageStore } from '../image/image-store.ts';
import { sleep } from '../platform/clock.ts';
import { isDirectoryLocked } from '../platform/directory-lock.ts';
import { silentLog } from '../platform/log.ts';
import { type HostVmConfig, openHostVms } from '../worker/host-vms.ts';
import { askToWarm } from '../worker/warm-call.ts';
import type { WarmOrder } from '../worker/warm-wire.ts';
import { getImage } from './images.ts';
import type { NodeDeps } from './node-deps.ts';
import { hostVmConfigOf } from './worker-config.ts';

/** A process that has the VMs and takes no orders is starting, ending, or another `image warm`. */
const locked = { everyMs: 250, msMax: 120_000 };

/** The ports of the process, and who is told of long steps. */
interface WarmDeps extends NodeDeps {
  readonly step: (title: string) => void;
}

type Warmed = Omit<TemplateLine, 'image'>;

/**
 * Rejects with USAGE, IMAGE_MISSING, TEMPLATE_FAILED, and VM_MANAGER_UNAVAILABLE where VMs cannot run; with what the
 * worker says where one runs.
 */
export async function warmImage(deps: WarmDeps, name: string, wish: TemplateWish): Promise<TemplateLine> {
  const { tenant, ...size } = wish;
  refuseSize('--memory', size.memoryMiB, limits.memoryMiBMin, limits.memoryMiBMax);
  refuseSize('--cpus', size.vcpus, 1, limits.vcpusMax);
  const whose = tenant === undefined ? {} : { tenant: tenantOf(tenant) };
  const image = await getImage(deps.config.imagesDir, name);
  const order = { image: `${image.name}:${image.tag}`, ...size, ...whose };
  return { image: name, ...(await warmed(deps, order)) };
}

async function warmed(deps: WarmDeps, order: WarmOrder): Promise<Warmed> {
  const { clock, config, step } = deps;
  const { dataDir } = config;
  const giveUpAtMs = clock.monotonicMs() + locked.msMax;
  for (let waits = 0; ; waits++) {
    const template = (await askToWarm({ dataDir, clock, step }, order)) ?? (await warmHere(deps, order));
    if (template !== undefined) return template;
    const problem = `another process of this host has the VMs of ${dataDir}`;
    if (clock.monotonicMs() >= giveUpAtMs) {
      throw new BlixardError('TEMPLATE_FAILED', {
        image: order.image,
        problem: `${problem} and takes no orders`,
      });
    }
    if (waits === 0) step(`Waiting: ${problem}`);
    await sleep(clock, locked.everyMs);
  }
}

/** Undefined when another process has the VMs. */
async function warmHere(deps: WarmDeps, { tenant, ...order }: WarmOrder): Promise<Warmed | undefined> {
  const { dataDir, imagesDir } = deps.config;
  if (await hasOwner(dataDir)) return undefined;
  const images = new ImageStore({ dir: imagesDir });
  // Its user is told the steps, and why it failed.
  const vms = await openHostVms({ ...deps, log: silentLog, config: withoutPool(deps), images });
  try {
    if (!vms.isAvailable() && (await hasOwner(dataDir))) return undefined;
    const whose = tenant === undefined ? {} : ({ isolation: 'maximum', tenant } as const);
    return await vms.warm({ ...order, ...whose }, deps.step);
  } finally {
    await vms.close();
  }
}

async function hasOwner(dataDir: string): Promise<boolean> {
  const dir = join(dataDir, 'vms');
  await mkdir(dir, { recursive: true });
  return await isDirectoryLocked(dir, 'vms');
}

function withoutPool({ config }: WarmDeps): HostVmConfig {
  const hostConfig = hostVmConfigOf(config);
  const { fastStarts } = hostConfig;
  const pool = { min: 0, target: 0, max: 0, memoryMiB: 0, coolDownMs: 1 };
  return fastStarts === undefined ? hostConfig : { ...hostConfig, fastStarts: { ...fastStarts, pool } };
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
