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
  readonly templates: TemplateSupport;
  readonly lockIn: LockIn;
}

/** How a VMM that its guest has taken over is kept from its host. */
export interface LockIn {
  /** `bubblewrap`: it sees nothing but /usr and its own files. `none`: what any process of its user sees. */
  readonly sandbox: 'bubblewrap' | 'none';
  /** Why, and as which user, in words for `doctor`. */
  readonly sandboxReason: string;
  /** Whether the kernel bounds its memory and processes, and by which version of cgroups. */
  readonly cgroups: 'v1' | 'v2' | 'none';
  readonly cgroupsReason: string;
}

/**
 * Whether VMs can be started from the saved memory of another. `writable`: a VMM opens the memory file for writing,
 * although it has no reason to write, so somebody must watch the file. `read-only`: it cannot change it.
 */
export type TemplateSupport = 'none' | 'writable' | 'read-only';

/** The files of a template in its folder: the guest's memory, and the state of all else of the machine. */
export const templateFiles = { memory: 'memory', state: 'state' } as const;

/** What a VM has to do with a template. */
export interface TemplateUse {
  /** `make`: boots with its memory in the folder, until `save`. `start`: goes on from what was saved there. */
  readonly act: 'make' | 'start';
  readonly dir: string;
  /** Of a `start`: it takes nothing in before the first `resume`, and holds no memory of the guest. Default: false. */
  readonly waits?: boolean;
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
  /** Default: it boots, and cannot be saved. */
  readonly template?: TemplateUse;
}

/** What of a spec the VMs of one template have in common. */
export type TemplateSpec = Omit<VmSpec, 'id' | 'runDir' | 'template'>;

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

/** A started VM. The guest agent is at the other end of `channel`; the guest may not run yet. */
export interface RunningVm {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly channel: Duplex;
  /** Resolves once, when the VMM process has ended; never rejects. */
  readonly exited: Promise<VmExit>;
  /** Newest bytes of the guest's serial console. */
  console(): string;
  /** Resolves when the VMM, not its guest, answers; one that is frozen does not. Rejects with VMM_REFUSED. */
  answers(): Promise<void>;
  /** Stops the guest's processors: it uses no CPU and answers nothing until `resume`. Rejects with VMM_REFUSED. */
  pause(): Promise<void>;
  /** Lets a guest go on that was paused, or waits. Its clock has stood still meanwhile. Rejects with VMM_REFUSED. */
  resume(): Promise<void>;
  /** Pauses the guest for good and writes it to the template that this VM makes. Rejects with VMM_REFUSED. */
  save(): Promise<void>;
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
  /** A text that differs wherever a template made by one spec cannot start a VM of the other. */
  fingerprint(spec: TemplateSpec): Promise<string>;
  /** Starts a VM. Rejects with VM_BOOT_FAILED when the VMM cannot be started. */
  start(spec: VmSpec): Promise<RunningVm>;
  /**
   * Ends every VMM of these VM ids that an earlier process of this worker may have left, and removes what any worker
   * of this host that lives no more has left of its VMs outside their folders.
   */
  recover(vmIds: readonly string[]): Promise<readonly Recovered[]>;
  /** Removes what could not be removed when its VM ended; all have ended. Safe to call again. */
  close(): Promise<void>;
}
