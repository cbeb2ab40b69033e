/**
 * What one real boot proves about this host: that its acceleration works, and the rate of its time stamp counter.
 * Kept on disk per boot of the host, VMM version, acceleration and kernel; nothing is assumed.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { nullable, strict, wholeNumber } from '../contract/schema.ts';
import { type Static, Type } from '../contract/typebox.ts';
import { Value } from '../contract/typebox-check.ts';
import { defaults } from '../domain/defaults.ts';
import { isBlixardError } from '../domain/errors.ts';
import type { Capabilities, Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Image } from '../image/image-store.ts';
import { readTextIfThere, writeFileDurably } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { type StartedVm, VmController, type VmControllerDeps } from './controller.ts';
import { betterTscKhz, measureTscKhz, tscKhzOfCpuinfo } from './tsc.ts';

/** Under hardware virtualisation a kernel is up in well under a second; a broken one hangs for ever. */
const kvmHelloMs = 4_000;
const pingMs = 2_000;
const never = new AbortController().signal;

/** Makes the driver; `badKvm` says that a probe found KVM broken. */
export type HypervisorFor = (found: { badKvm: boolean }) => Hypervisor;

/** What VMs of this host are started with. */
export interface ProbedHost {
  readonly hypervisor: Hypervisor;
  readonly capabilities: Capabilities;
  /** Rate of the time stamp counter for guests; undefined under kvm. */
  readonly tscKhz: number | undefined;
}

/** `host.json`: the finding, and all it depends on. */
const HostRecord = strict({
  bootId: Type.String(),
  driver: Type.String(),
  version: Type.String(),
  accel: Type.String(),
  kernel: Type.String(),
  badKvm: Type.Boolean(),
  tscKhz: nullable(wholeNumber(1)),
});
type HostRecord = Static<typeof HostRecord>;

/** What a probe needs; its own boots are recorded and swept like any other. */
export interface HostProbeDeps
  extends Pick<
    VmControllerDeps,
    'registry' | 'clock' | 'random' | 'ids' | 'log' | 'bootTimeoutMs' | 'boots'
  > {
  readonly hypervisorFor: HypervisorFor;
  /** The driver that knows of no broken KVM. */
  readonly driver: Hypervisor;
  /** Where the finding is kept. */
  readonly file: string;
  readonly image: Image;
}

/** Probes this host, or takes what an earlier probe found. Rejects with VM_BOOT_FAILED, VM_MANAGER_UNAVAILABLE. */
export async function probeHost(deps: HostProbeDeps): Promise<ProbedHost> {
  const kernel = await digestOf(deps.image.kernelPath);
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const keyOf = ({ driver, version, accel }: Capabilities) => ({ bootId, driver, version, accel, kernel });
  const known = await readRecord(deps.file, deps.log);
  let hypervisor = deps.driver;
  let capabilities = await hypervisor.capabilities();
  const badKvm = known?.badKvm === true && holds(known, { ...keyOf(capabilities), accel: known.accel });
  if (badKvm) {
    hypervisor = deps.hypervisorFor({ badKvm });
    capabilities = await hypervisor.capabilities();
  }
  if (known !== undefined && holds(known, keyOf(capabilities))) {
    return { hypervisor, capabilities, tscKhz: known.tscKhz ?? undefined };
  }
  const found = await new Probe(deps).run(hypervisor, capabilities, badKvm);
  await writeRecord(deps.file, {
    ...keyOf(found.host.capabilities),
    badKvm: found.badKvm,
    tscKhz: found.host.tscKhz ?? null,
  });
  return found.host;
}

interface Finding {
  readonly host: ProbedHost;
  readonly badKvm: boolean;
}

class Probe {
  readonly #deps: HostProbeDeps;

  constructor(deps: HostProbeDeps) {
    this.#deps = deps;
  }

  async run(hypervisor: Hypervisor, capabilities: Capabilities, badKvm: boolean): Promise<Finding> {
    if (capabilities.accel === 'tcg') {
      return { host: await this.#proveTcg(hypervisor, capabilities), badKvm };
    }
    try {
      await this.#proveKvm(hypervisor, capabilities);
      return { host: { hypervisor, capabilities, tscKhz: undefined }, badKvm: false };
    } catch (error) {
      if (!isBlixardError(error, 'VM_BOOT_FAILED')) throw error;
      this.#deps.log.warn(
        { err: error },
        'KVM does not boot a kernel on this host, software emulation instead',
      );
      const emulation = this.#deps.hypervisorFor({ badKvm: true });
      return { host: await this.#proveTcg(emulation, await emulation.capabilities()), badKvm: true };
    }
  }

  async #proveKvm(hypervisor: Hypervisor, capabilities: Capabilities): Promise<void> {
    const bounds = { tscKhz: undefined, bootTimeoutMs: kvmHelloMs, boots: 1 };
    const controller = new VmController({ ...this.#deps, hypervisor, capabilities, ...bounds });
    await end(await this.#boot(controller));
  }

  async #proveTcg(hypervisor: Hypervisor, capabilities: Capabilities): Promise<ProbedHost> {
    const { clock, log } = this.#deps;
    const assumed = tscKhzOfCpuinfo(await readFile('/proc/cpuinfo', 'utf8'));
    const controller = new VmController({ ...this.#deps, hypervisor, capabilities, tscKhz: assumed });
    const started = await this.#boot(controller);
    try {
      const measured = await measureTscKhz(() => started.vm.ping(pingMs), clock);
      const tscKhz = betterTscKhz(assumed, measured);
      log.debug({ assumedKhz: assumed, measuredKhz: measured, tscKhz }, 'measured the time stamp counter');
      return { hypervisor, capabilities, tscKhz };
    } finally {
      await end(started);
    }
  }

  #boot(controller: VmController): Promise<StartedVm> {
    const { image } = this.#deps;
    return controller.boot({ image, memoryMiB: defaults.memoryMiB, vcpus: defaults.vcpus }, never);
  }
}

async function end({ vm, gone }: StartedVm): Promise<void> {
  await vm.kill();
  await gone;
}

function holds(known: HostRecord, key: Omit<HostRecord, 'badKvm' | 'tscKhz'>): boolean {
  return Object.entries(key).every(([name, value]) => known[name as keyof HostRecord] === value);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

async function readRecord(file: string, log: Log): Promise<HostRecord | undefined> {
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  try {
    const record: unknown = JSON.parse(text);
    if (Value.Check(HostRecord, record)) return record;
    throw new TypeError('it has another shape');
  } catch (error) {
    log.warn({ err: error, file }, 'the record of the host is damaged, the host is probed again');
    return undefined;
  }
}

async function writeRecord(file: string, record: HostRecord): Promise<void> {
  await writeFileDurably(file, `${JSON.stringify(record)}\n`);
}
