/** The Hypervisor port: starts microVMs and tells the truth about them. Drivers: qemu, fake. */
import type { Duplex } from 'node:stream';

export type Accel = 'kvm' | 'tcg';

/** What a driver found out about its host. */
export interface Capabilities {
  readonly driver: string;
  /** Version of the VMM program. */
  readonly version: string;
  readonly accel: Accel;
  /** Why this acceleration was chosen, in words for `doctor`. */
  readonly accelReason: string;
}

/** A validated order for one VM. All paths are absolute. */
export interface VmSpec {
  /** UUID; also stands in the VMM's command line, so that a sweep can find it. */
  readonly id: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly kernelPath: string;
  readonly initrdPath: string;
  /** Root file system image, attached read-only. */
  readonly rootPath: string;
  /** File system of the root image, for example squashfs. */
  readonly rootFsType: string;
  /** Folder of this VM alone; exists; removed by the caller. */
  readonly runDir: string;
  /** Time stamp counter rate for software emulation; undefined under kvm. */
  readonly tscKhz?: number;
}

/** How a VM ended. */
export interface VmExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Newest bytes the VMM wrote about itself. */
  readonly stderr: string;
}

/** A process that can be found again: a pid is used twice, a pid and its start time are not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since boot. */
  readonly startTicks: number;
}

/** A started VM. The guest agent is at the other end of `channel`; the guest may not have booted yet. */
export interface RunningVm {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly channel: Duplex;
  /** Resolves once, when the VMM process has ended; never rejects. */
  readonly exited: Promise<VmExit>;
  /** Newest bytes of the guest's serial console. */
  console(): string;
  /** Ends the VMM at once and resolves when it is gone. Safe to call again. */
  kill(): Promise<VmExit>;
}

/** What a sweep left by an earlier process found and ended. */
export interface Recovered {
  readonly id: string;
  readonly pid: number;
}

export interface Hypervisor {
  readonly name: string;
  /** Rejects with VM_MANAGER_UNAVAILABLE and the reason when this host cannot run VMs with this driver. */
  capabilities(): Promise<Capabilities>;
  /** Starts a VM. Rejects with VM_BOOT_FAILED when the VMM cannot be started. */
  start(spec: VmSpec): Promise<RunningVm>;
  /** Ends every VMM of these VM ids that an earlier process of this worker may have left. */
  recover(vmIds: readonly string[]): Promise<readonly Recovered[]>;
}
