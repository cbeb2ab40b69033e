/** Opens the door to VMs on this host: sweeps, probes, and says why when there are to be none. */
import { join } from 'node:path';
import { defaults } from '../domain/defaults.ts';
import { BlixardError, isBlixardError, problemOf } from '../domain/errors.ts';
import type { Image, ImageStore } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import { lockDirectory } from '../platform/directory-lock.ts';
import type { Log } from '../platform/log.ts';
import type { Ids, Random } from '../platform/random.ts';
import { Admission, boundsOfThisHost } from './admission.ts';
import { VmController } from './controller.ts';
import { type FastStartConfig, openFastStarts } from './fast-starts.ts';
import { type HypervisorFor, probeHost } from './host-probe.ts';
import { VmRegistry } from './registry.ts';
import { VmStarter } from './starter.ts';
import { sweep } from './sweeper.ts';
import { VmManager } from './vm-manager.ts';
import { VmService } from './vm-service.ts';

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
  readonly images: Pick<ImageStore, 'find' | 'list'>;
  readonly hypervisorFor: HypervisorFor;
  /** Read for SKIP_VM_MANAGER; set to anything but the empty text it means no VMs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Log;
  /** Live VMs at once. */
  readonly vmsMax: number;
  /** Spawn of the VMM to the agent's hello; default 10 s. */
  readonly bootTimeoutMs?: number;
  /** Default: no templates, every VM is booted. */
  readonly fastStarts?: FastStartConfig;
}

/** Never rejects: whatever goes wrong becomes the reason of an unavailable service. */
export async function openVmService(deps: OpenVmServiceDeps): Promise<VmService> {
  const skip = deps.env['SKIP_VM_MANAGER'] ?? '';
  if (skip !== '') return VmService.unavailable(`SKIP_VM_MANAGER is ${skip}`);
  try {
    return VmService.of(await openVmManager(deps));
  } catch (error) {
    const reason = reasonOf(error);
    deps.log.warn({ err: error, reason }, 'no VMs on this host');
    return VmService.unavailable(reason);
  }
}

async function openVmManager(deps: OpenVmServiceDeps): Promise<VmManager> {
  const dir = join(deps.dataDir, 'vms');
  const lock = await lockDirectory(dir, 'vms');
  if (lock === undefined) throw unavailable(`another process of this host owns the VMs of ${deps.dataDir}`);
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
  const registry = new VmRegistry({ dir });
  const driver = hypervisorFor({ badKvm: false });
  await driver.capabilities();
  await sweep({ registry, hypervisor: driver, log });
  const image = await imageToProbe(images);
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
  const admission = new Admission({ bounds: boundsOfThisHost(deps.vmsMax) });
  const controller = new VmController({ ...parts, hypervisor, capabilities, tscKhz });
  const shared = { controller, admission, clock, log };
  const config = deps.fastStarts ?? noFastStarts;
  const fast = await openFastStarts({ ...shared, dataDir, config, hypervisor, capabilities });
  const starter = new VmStarter({ ...shared, fast });
  if (config.pool.min > 0) prepareInBackground(starter, image, log);
  return new VmManager({ host, images, admission, starter, log, release });
}

/** Most jobs run in it as it is, so the first one shall not have to wait for a boot. */
function prepareInBackground(starter: VmStarter, image: Image, log: Log): void {
  const { memoryMiB, vcpus } = defaults;
  starter
    .prepare({ image, memoryMiB, vcpus })
    .catch((error: unknown) => log.warn({ err: error }, 'no VM could be made ready before the first job'));
}

async function imageToProbe(images: OpenVmServiceDeps['images']): Promise<Image> {
  const image = (await images.find(defaults.image)) ?? (await images.list())[0];
  if (image === undefined)
    throw unavailable('there is no image; after blixard image build base this worker must be started again');
  return image;
}

function unavailable(reason: string): BlixardError {
  return new BlixardError('VM_MANAGER_UNAVAILABLE', { reason });
}

function reasonOf(error: unknown): string {
  if (isBlixardError(error, 'VM_MANAGER_UNAVAILABLE')) return String(error.details['reason']);
  return problemOf(error);
}
