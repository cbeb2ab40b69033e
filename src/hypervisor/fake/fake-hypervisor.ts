/** The fake driver of the Hypervisor port: VMs without processes, for tests and for the conformance suite. */
import { BlixardError } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type {
  Capabilities,
  Hypervisor,
  Recovered,
  RunningVm,
  TemplateSpec,
  TemplateSupport,
  VmSpec,
} from '../hypervisor.ts';
import { type FakeBoot, FakeVm } from './fake-vm.ts';

/** A host whose VMs outlive the hypervisor objects that started them, as processes outlive a killed worker. */
export class FakeHost {
  #nextPid = 1_000;
  readonly #live = new Map<string, FakeVm>();

  /** VMs that run now, oldest first. */
  get live(): readonly FakeVm[] {
    return [...this.#live.values()];
  }

  find(vmId: string): FakeVm | undefined {
    return this.#live.get(vmId);
  }

  run(spec: VmSpec, clock: Clock, boot: FakeBoot): FakeVm {
    const vm = new FakeVm({ spec, pid: this.#nextPid++, clock, boot });
    this.#live.set(vm.id, vm);
    void vm.exited.then(() => this.#live.delete(vm.id));
    return vm;
  }
}

export interface FakeHypervisorDeps {
  readonly clock: Clock;
  /** Default: a host of its own. */
  readonly host?: FakeHost;
  /** Why this host cannot run VMs; default: it can. */
  readonly unavailable?: string;
  /** Default: writable. */
  readonly templates?: TemplateSupport;
  /**
   * How the VM of this spec boots, `nth` counting starts from 1; `refuse` means that its VMM cannot be started.
   * Default: the agent is there at once.
   */
  readonly bootOf?: (spec: VmSpec, nth: number) => FakeBoot | 'refuse';
}

export class FakeHypervisor implements Hypervisor {
  readonly name = 'fake';
  readonly host: FakeHost;
  readonly #deps: FakeHypervisorDeps;
  #starts = 0;
  #closedWith: number | undefined;

  constructor(deps: FakeHypervisorDeps) {
    this.#deps = deps;
    this.host = deps.host ?? new FakeHost();
  }

  /** VMs asked for so far. */
  get starts(): number {
    return this.#starts;
  }

  /** VMs of the host that still ran when it was closed; undefined before. */
  get closedWith(): number | undefined {
    return this.#closedWith;
  }

  async capabilities(): Promise<Capabilities> {
    const { unavailable, templates = 'writable' } = this.#deps;
    if (unavailable !== undefined) throw new BlixardError('VM_MANAGER_UNAVAILABLE', { reason: unavailable });
    const none = 'a fake needs none';
    const lockIn = { sandbox: 'none', sandboxReason: none, cgroups: 'none', cgroupsReason: none } as const;
    return { driver: this.name, version: '1', accel: 'tcg', accelReason: none, templates, lockIn };
  }

  async fingerprint(spec: TemplateSpec): Promise<string> {
    return JSON.stringify([this.name, spec]);
  }

  async start(spec: VmSpec): Promise<RunningVm> {
    await this.capabilities();
    const { clock, bootOf } = this.#deps;
    this.#starts++;
    const boot = bootOf?.(spec, this.#starts) ?? { outcome: 'agent', afterMs: 0 };
    if (boot === 'refuse')
      throw new BlixardError('VM_BOOT_FAILED', { problem: 'the fake was told to refuse' });
    return this.host.run(spec, clock, boot);
  }

  async recover(vmIds: readonly string[]): Promise<readonly Recovered[]> {
    const left = vmIds.flatMap((id) => this.host.find(id) ?? []);
    await Promise.all(left.map((vm) => vm.kill()));
    return left.map(({ id, identity }) => ({ id, pid: identity.pid }));
  }

  async close(): Promise<void> {
    this.#closedWith = this.host.live.length;
  }
}
