/** The QEMU driver of the Hypervisor port. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type {
  Capabilities,
  Hypervisor,
  Recovered,
  RunningVm,
  TemplateSpec,
  TemplateSupport,
  VmSpec,
} from '../hypervisor.ts';
import { chooseAccel } from './accel.ts';
import { qemuArguments } from './arguments.ts';
import { probeKvm } from './kvm-probe.ts';
import { openVmmLock, type SandboxWish, type VmmLock } from './lock-in.ts';
import { qemuVersion } from './program.ts';
import { startQemuVm } from './qemu-vm.ts';
import { endLeftVmms } from './sweep.ts';

export interface QemuDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** `auto` takes KVM where it is proven to work, else software emulation. */
  readonly accel: 'auto' | 'kvm' | 'tcg';
  /** Default: qemu-system-x86_64 on the PATH. */
  readonly program?: string;
  /** Default: auto, see `SandboxWish`. */
  readonly sandbox?: SandboxWish;
  /** A stock kernel has been seen to hang under KVM on this host. */
  readonly badKvm?: boolean;
}

export class QemuHypervisor implements Hypervisor {
  readonly name = 'qemu';
  readonly #deps: QemuDeps;
  readonly #program: string;
  #found: Promise<Found> | undefined;

  constructor(deps: QemuDeps) {
    this.#deps = deps;
    this.#program = deps.program ?? 'qemu-system-x86_64';
  }

  async capabilities(): Promise<Capabilities> {
    return (await this.#findOnce()).capabilities;
  }

  async fingerprint(spec: TemplateSpec): Promise<string> {
    const { version, accel, lockIn } = await this.capabilities();
    const anyVm: VmSpec = { ...spec, id: '', runDir: '', template: { act: 'make', dir: '' } };
    // Who may open the files of a template depends on who made it.
    const as = lockIn.sandbox === 'none' ? '' : lockIn.sandboxReason;
    return JSON.stringify([this.name, version, qemuArguments(anyVm, accel), as]);
  }

  async start(spec: VmSpec): Promise<RunningVm> {
    const { capabilities, lock } = await this.#findOnce();
    const mapsReadOnly = capabilities.templates === 'read-only';
    const args = qemuArguments(spec, capabilities.accel, mapsReadOnly);
    const locked = await lock.prepare(spec, mapsReadOnly);
    const { clock, log } = this.#deps;
    return startQemuVm({ spec, args, lock: locked, program: this.#program, clock, log });
  }

  async recover(vmIds: readonly string[]): Promise<readonly Recovered[]> {
    const ended = await endLeftVmms({ vmIds, program: this.#program, clock: this.#deps.clock });
    const { lock } = await this.#findOnce();
    await lock.recover(vmIds);
    return ended;
  }

  async close(): Promise<void> {
    await (await this.#found)?.lock.close();
  }

  /** Asked again after a failure, since a package may have been installed meanwhile. */
  async #findOnce(): Promise<Found> {
    this.#found ??= this.#findOut();
    try {
      return await this.#found;
    } catch (error) {
      this.#found = undefined;
      throw error;
    }
  }

  async #findOut(): Promise<Found> {
    const { accel: wanted, badKvm = false, sandbox: wish = 'auto', clock, log } = this.#deps;
    const program = this.#program;
    const version = await qemuVersion(program);
    const chosen = await chooseAccel(wanted, badKvm, () => probeKvm({ program, clock }));
    const lock = await openVmmLock({ program, wish, accel: chosen.accel, clock, log });
    const templates = templateSupport(version);
    return { lock, capabilities: { driver: this.name, version, ...chosen, templates, lockIn: lock.told } };
  }
}

interface Found {
  readonly capabilities: Capabilities;
  readonly lock: VmmLock;
}

/** From 8.2 on a file of memory can be mapped that QEMU may only read. */
function templateSupport(version: string): TemplateSupport {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 8 || (major === 8 && minor >= 2) ? 'read-only' : 'writable';
}
