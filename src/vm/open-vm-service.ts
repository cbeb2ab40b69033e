/** Opens the door to VMs on this host: sweeps, probes, and says why when there are to be none. */
import { join } from 'node:path';
import { defaults } from '../domain/defaults.ts';
import { BlixardError, isBlixardError, problemOf } from '../domain/errors.ts';
import type { Image, ImageStore } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import { type DirectoryLock, lockDirectory } from '../platform/directory-lock.ts';
import type { Log } from '../platform/log.ts';
import type { Ids, Random } from '../platform/random.ts';
import { Admission } from './admission.ts';
import { VmController } from './controller.ts';
import { type FastStartConfig, openFastStarts } from './fast-starts.ts';
import { HealthChecker, type HealthConfig } from './health.ts';
import { boundsOfThisHost } from './host-bounds.ts';
import { hostMemory } from './host-memory.ts';
import { type HypervisorFor, probeHost } from './host-probe.ts';
import { LateOpening } from './late-opening.ts';
import { VmRegistry } from './registry.ts';
import { openServices, type ServiceConfig } from './services.ts';
import { VmStarter } from './starter.ts';
import { sweep } from './sweeper.ts';
import { VmManager } from './vm-manager.ts';
import { type Door, VmService } from './vm-service.ts';

/** A boot that failed is tried once more. */
const boots = 2;
const noFastStarts: FastStartConfig = {
  templates: 'off',
  templateBytesMax: 0,
  pool: { min: 0, target: 0, max: 0, memoryMiB: 0, coolDownMs: 1 },
};

/** What the door is built from. */
export interface OpenVmServiceDeps {
  /** Holds `vms/` and `host.json`. */
  readonly dataDir: string;
  /** With `watch`, what had no VMs at its start may have some when these have changed; `dir` is told. */
  readonly images: Pick<ImageStore, 'find' | 'list'> & Partial<Pick<ImageStore, 'watch' | 'dir'>>;
  readonly hypervisorFor: HypervisorFor;
  /** Read for SKIP_VM_MANAGER; set to anything but the empty text it means no VMs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Log;
  /** Live VMs at once. */
  readonly vmsMax: number;
  /** Virtual processors of all VMs that run a job; default: the cores, or one for each VM. */
  readonly cpusMax?: number;
  /** Spawn of the VMM to the agent's hello; default 10 s. */
  readonly bootTimeoutMs?: number;
  /** Default: no templates, every VM is booted. */
  readonly fastStarts?: FastStartConfig;
  /** Default: a ping every 5 s, each answered within 10 s. */
  readonly health?: HealthConfig;
  /** Default: no VM serves more than one job. */
  readonly services?: ServiceConfig;
}

/** Never rejects: whatever goes wrong becomes the reason of an unavailable service. */
export async function openVmService(deps: OpenVmServiceDeps): Promise<VmService> {
  const skip = deps.env['SKIP_VM_MANAGER'] ?? '';
  if (skip !== '') return VmService.unavailable(`SKIP_VM_MANAGER is ${skip}`);
  const open = (): Promise<Door> => openDoor(deps);
  const late = new LateOpening({ ...deps, open });
  const door = await late.open();
  if ('unavailable' in door) return VmService.unavailable(door.unavailable, late);
  await late.close();
  return VmService.of(door.manager);
}

async function openDoor(deps: OpenVmServiceDeps): Promise<Door> {
  try {
    const dir = join(deps.dataDir, 'vms');
    const lock = await lockDirectory(dir, 'vms');
    if (lock !== undefined) return { manager: await openLocked(deps, dir, lock) };
    return none(deps, unavailable(`another process of this host owns the VMs of ${deps.dataDir}`), true);
  } catch (error) {
    return none(deps, error, false);
  }
}

function none({ log }: OpenVmServiceDeps, error: unknown, isLocked: boolean): Door {
  const reason = reasonOf(error);
  log.warn({ err: error, reason }, 'no VMs on this host');
  return { unavailable: reason, isLocked };
}

async function openLocked(deps: OpenVmServiceDeps, dir: string, lock: DirectoryLock): Promise<VmManager> {
  try {
    return await openOwned(deps, dir, () => lock.release());
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openOwned(
  deps: OpenVmServiceDeps,
  dir: string,
  release: () => Promise<void>,
): Promise<VmManager> {
  const { dataDir, images, hypervisorFor, clock, random, ids, log } = deps;
  let manager: VmManager | undefined;
  const registry = new VmRegistry({ dir });
  const driver = hypervisorFor({ badKvm: false });
  await driver.capabilities();
  await sweep({ registry, hypervisor: driver, log });
  const image = await imageToProbe(deps);
  const parts = {
    registry,
    clock,
    random,
    ids,
    log,
    bootTimeoutMs: deps.bootTimeoutMs ?? defaults.bootTimeoutMs,
    boots,
  };
  const host = await probeHost({ ...parts, hypervisorFor, driver, image, file: join(dataDir, 'host.json') });
  const { hypervisor, capabilities, tscKhz } = host;
  log.info({ ...capabilities, tscKhz }, 'this host runs VMs');
  const look = hostMemory({ clock, ownMiB: () => manager?.ownMiB ?? 0 });
  const bounds = boundsOfThisHost(deps.vmsMax, deps.cpusMax);
  const admission = new Admission({ bounds, memory: { look, clock } });
  const controller = new VmController({ ...parts, hypervisor, capabilities, tscKhz });
  const shared = { controller, admission, clock, log };
  const config = deps.fastStarts ?? noFastStarts;
  const fast = await openFastStarts({ ...shared, dataDir, config, hypervisor, capabilities });
  const starter = new VmStarter({ ...shared, fast });
  if (config.pool.min > 0) prepareInBackground(starter, image, log);
  const services = openServices({ starter, admission, clock, log }, deps.services);
  const { pingEveryMs, pingTimeoutMs } = defaults;
  const health = new HealthChecker({ clock, log, config: deps.health ?? { pingEveryMs, pingTimeoutMs } });
  const end = async (): Promise<void> => {
    for (const one of new Set([driver, hypervisor])) await one.close();
    await release();
  };
  manager = new VmManager({ host, images, admission, starter, services, health, clock, log, release: end });
  return manager;
}

/** Most jobs run in it as it is, so the first one shall not have to wait for a boot. */
function prepareInBackground(starter: VmStarter, image: Image, log: Log): void {
  const { memoryMiB, vcpus } = defaults;
  starter
    .prepare({ image, memoryMiB, vcpus })
    .catch((error: unknown) => log.warn({ err: error }, 'no VM could be made ready before the first job'));
}

/** The default image where it is well, else the first that is. Rejects with IMAGE_INVALID when all are damaged. */
async function imageToProbe({ images, log }: OpenVmServiceDeps): Promise<Image> {
  let damaged: BlixardError | undefined;
  const well = await images.list((error) => {
    log.error({ err: error }, 'a damaged image is left out');
    damaged ??= error;
  });
  const image = well.find(({ name, tag }) => name === defaults.image && tag === 'latest') ?? well[0];
  if (image !== undefined) return image;
  throw damaged ?? unavailable(noImage(images.dir));
}

function noImage(dir: string | undefined): string {
  const [where, flag] = dir === undefined ? ['', ''] : [` in ${dir}`, ` --images-dir ${dir}`];
  return `there is no image${where} yet; blixard image build base${flag} makes one, and this worker notices it`;
}

function unavailable(reason: string): BlixardError {
  return new BlixardError('VM_MANAGER_UNAVAILABLE', { reason });
}

function reasonOf(error: unknown): string {
  if (isBlixardError(error, 'VM_MANAGER_UNAVAILABLE')) return String(error.details['reason']);
  return problemOf(error);
}
