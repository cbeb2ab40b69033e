/** The VMs of this host as every kind of start opens them: QEMU, as configured. */
import { QemuHypervisor } from '../hypervisor/qemu/qemu.ts';
import type { ImageStore } from '../image/image-store.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Ids, Random } from '../platform/random.ts';
import type { FastStartConfig } from '../vm/fast-starts.ts';
import type { HealthConfig } from '../vm/health.ts';
import { openVmService } from '../vm/open-vm-service.ts';
import type { ServiceConfig } from '../vm/services.ts';
import type { VmService } from '../vm/vm-service.ts';

/** What an operator says of the VMs of a host. */
export interface HostVmConfig {
  /** Holds `vms/` and `host.json`. */
  readonly dataDir: string;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  /** Default: qemu-system-x86_64 on the PATH. */
  readonly qemuProgram?: string;
  /** Default: auto. */
  readonly sandbox?: 'auto' | 'required' | 'off';
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

/** What opens them besides the configuration. */
export interface HostVmDeps {
  readonly config: HostVmConfig;
  readonly images: ImageStore;
  /** Read for SKIP_VM_MANAGER. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Log;
}

/** Never rejects: a host without VMs has an unavailable service that says why. */
export function openHostVms({ config, ...deps }: HostVmDeps): Promise<VmService> {
  const { clock, log } = deps;
  const { accel, qemuProgram, sandbox = 'auto' } = config;
  const program = qemuProgram === undefined ? {} : { program: qemuProgram };
  const hypervisorFor = ({ badKvm }: { badKvm: boolean }): QemuHypervisor =>
    new QemuHypervisor({ clock, log, accel, sandbox, badKvm, ...program });
  return openVmService({ ...deps, ...config, hypervisorFor });
}
