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
  /** A stock kernel has been seen to hang under KVM on this host. */
  readonly badKvm?: boolean;
}

export class QemuHypervisor implements Hypervisor {
  readonly name = 'qemu';
  readonly #deps: QemuDeps;
  readonly #program: string;
  #capabilities: Promise<Capabilities> | undefined;

  constructor(deps: QemuDeps) {
    this.#deps = deps;
    this.#program = deps.program ?? 'qemu-system-x86_64';
  }

  /** Found out once; asked again after a failure, since a package may have been installed meanwhile. */
  async capabilities(): Promise<Capabilities> {
    this.#capabilities ??= this.#findOut();
    try {
      return await this.#capabilities;
    } catch (error) {
      this.#capabilities = undefined;
      throw error;
    }
  }

  async fingerprint(spec: TemplateSpec): Promise<string> {
    const { version, accel } = await this.capabilities();
    const anyVm: VmSpec = { ...spec, id: '', runDir: '', template: { act: 'make', dir: '' } };
    return JSON.stringify([this.name, version, qemuArguments(anyVm, accel)]);
  }

  async start(spec: VmSpec): Promise<RunningVm> {
    const { accel, templates } = await this.capabilities();
    const args = qemuArguments(spec, accel, templates === 'read-only');
    return startQemuVm({ spec, args, program: this.#program, log: this.#deps.log });
  }

  recover(vmIds: readonly string[]): Promise<readonly Recovered[]> {
    return endLeftVmms({ vmIds, program: this.#program, clock: this.#deps.clock });
  }

  async #findOut(): Promise<Capabilities> {
    const { accel, badKvm = false, clock } = this.#deps;
    const version = await qemuVersion(this.#program);
    const probe = () => probeKvm({ program: this.#program, clock });
    const chosen = await chooseAccel(accel, badKvm, probe);
    return { driver: this.name, version, ...chosen, templates: templateSupport(version) };
  }
}

/** From 8.2 on a file of memory can be mapped that QEMU may only read. */
function templateSupport(version: string): TemplateSupport {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 8 || (major === 8 && minor >= 2) ? 'read-only' : 'writable';
}
