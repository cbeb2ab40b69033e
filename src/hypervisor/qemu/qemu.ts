/** The QEMU driver of the Hypervisor port. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Capabilities, Hypervisor, Recovered, RunningVm, VmSpec } from '../hypervisor.ts';
import { chooseAccel } from './accel.ts';
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

  async start(spec: VmSpec): Promise<RunningVm> {
    const { accel } = await this.capabilities();
    return startQemuVm({ spec, accel, program: this.#program, log: this.#deps.log });
  }

  recover(vmIds: readonly string[]): Promise<readonly Recovered[]> {
    return endLeftVmms({ vmIds, program: this.#program, clock: this.#deps.clock });
  }

  async #findOut(): Promise<Capabilities> {
    const { accel, badKvm = false, clock } = this.#deps;
    const version = await qemuVersion(this.#program);
    const probe = () => probeKvm({ program: this.#program, clock });
    return { driver: this.name, version, ...(await chooseAccel(accel, badKvm, probe)) };
  }
}
