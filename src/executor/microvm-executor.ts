/** The `microvm` executor: each attempt in a microVM, its own or one of its queue and tenant, as its isolation says. */
import type { ExecSpec } from '../contract/guest.ts';
import type { VmFacts } from '../contract/job.ts';
import { defaults } from '../domain/defaults.ts';
import { asBlixardError, BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { VmSize } from '../domain/vm-size.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { lastWords } from '../vm/console-tail.ts';
import type { GuestIo } from '../vm/guest-session.ts';
import type { MicroVm } from '../vm/micro-vm.ts';
import type { VmOrder } from '../vm/vm-manager.ts';
import type { VmService } from '../vm/vm-service.ts';
import { type CommandEnd, CommandRun, type Cut } from './command-run.ts';
import { Errands, InputFailure } from './errands.ts';
import type { Execution, Executor, Outcome } from './executor.ts';
import { limitGuest } from './guest-limits.ts';
import { outcome, outcomeOfError, outcomeOfExit, signalOf, usageOf, withNotes } from './outcome.ts';

/** As Debian's login sets it for root. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What the executor is built from. */
export interface MicrovmExecutorDeps {
  readonly vms: VmService;
  readonly clock: Clock;
  readonly log: Log;
  /** SIGTERM to the kill of the VM; default 5 s. */
  readonly stopGraceMs?: number;
}

/** How a command ended, and whether its VM was left so that it may serve another job. */
interface Ended {
  readonly outcome: Outcome;
  readonly inOrder: boolean;
}

/** Never weaker than a VM of its own: without VMs it is unavailable. */
export class MicrovmExecutor implements Executor {
  readonly name = 'microvm';
  readonly isLight = false;
  readonly #deps: MicrovmExecutorDeps;

  constructor(deps: MicrovmExecutorDeps) {
    this.#deps = deps;
  }

  unavailable(): string | null {
    return this.#deps.vms.unavailableReason();
  }

  vmMax(): VmSize | undefined {
    return this.#deps.vms.vmMax();
  }

  async run(execution: Execution): Promise<Outcome> {
    const halt = AbortSignal.any([execution.stop, execution.kill]);
    let vm: MicroVm | undefined;
    let inOrder = false;
    try {
      vm = await this.#deps.vms.start(orderOf(execution), halt);
      const errands = this.#errands(vm, execution);
      errands.begin();
      const limitNotes = await unlessHalted(limitGuest(vm, execution.spec), halt);
      await unlessHalted(errands.bringInputs(halt), halt);
      await unlessHalted(execution.started(), halt);
      const { outcome: result, ...how } = await this.#command(vm, execution, errands);
      inOrder = how.inOrder;
      return withNotes(result, limitNotes);
    } catch (error) {
      if (halt.aborted) return stoppedEarly(vm?.facts ?? null);
      if (error instanceof InputFailure)
        return outcome(error.reason, { message: error.message, vm: vm?.facts ?? null });
      return this.#failed(execution, asBlixardError(error), vm?.facts ?? null);
    } finally {
      void this.#release(vm, inOrder);
    }
  }

  #errands(guest: MicroVm, execution: Execution): Errands {
    const runDir = `/run/blixard/${execution.jobId}-${execution.attempt}`;
    return new Errands({ guest, execution, clock: this.#deps.clock, runDir });
  }

  async #command(vm: MicroVm, execution: Execution, errands: Errands): Promise<Ended> {
    const { stdinBase64, zygote } = execution.spec;
    const io: GuestIo = {
      stdin: Buffer.from(stdinBase64, 'base64'),
      output: (stream, data) => execution.output(stream, data),
    };
    const exec = vm.exec(execSpecOf(execution, errands.env), io, zygote !== false);
    const run = new CommandRun({
      exec,
      clock: this.#deps.clock,
      killVm: () => void this.#end(vm),
      timeoutMs: execution.spec.timeoutMs,
      graceMs: this.#graceMs,
      stop: execution.stop,
      kill: execution.kill,
    });
    const end = await run.ended();
    this.#deps.vms.measure(vm);
    const result = await this.#outcomeOf(end, vm, execution);
    if (end.told instanceof BlixardError || end.vmKilled || end.cut === 'cancelled') {
      return { outcome: result, inOrder: false };
    }
    const notes = await errands.finish(AbortSignal.any([execution.stop, execution.kill]));
    return { outcome: withNotes(result, notes), inOrder: true };
  }

  async #outcomeOf({ told, cut, vmKilled }: CommandEnd, vm: MicroVm, execution: Execution): Promise<Outcome> {
    const reply = told instanceof BlixardError ? undefined : told;
    if (cut !== undefined) {
      return outcome(cut, {
        message: this.#cutMessage(cut, execution, vmKilled),
        signal: reply === undefined ? null : signalOf(reply),
        usage: reply === undefined ? null : usageOf(reply),
        vm: vm.facts,
      });
    }
    if (reply !== undefined) return outcomeOfExit(reply, vm.facts);
    return this.#failed(execution, await withLastWords(asBlixardError(told), vm), vm.facts);
  }

  #cutMessage(cut: Cut, { spec }: Execution, vmKilled: boolean): string {
    const why =
      cut === 'timeout'
        ? `the command ran longer than its timeout of ${formatDurationMs(spec.timeoutMs)}`
        : 'the command was stopped because its job was cancelled';
    if (!vmKilled) return why;
    return `${why}; it did not end within ${formatDurationMs(this.#graceMs)} of SIGTERM, so its VM was killed`;
  }

  #failed(execution: Execution, error: BlixardError, vm: VmFacts | null): Outcome {
    const result = outcomeOfError(error, vm);
    const { jobId, attempt } = execution;
    const level = result.reason === 'internal' ? 'error' : 'info';
    this.#deps.log[level]({ err: error, jobId, attempt }, `attempt ended: ${result.reason}`);
    return result;
  }

  async #release(vm: MicroVm | undefined, inOrder: boolean): Promise<void> {
    try {
      if (vm !== undefined) await this.#deps.vms.release(vm.id, { inOrder });
    } catch (error) {
      this.#deps.log.error({ err: error, vmId: vm?.id }, 'a VM could not be ended');
    }
  }

  async #end(vm: MicroVm): Promise<void> {
    try {
      await vm.kill();
    } catch (error) {
      this.#deps.log.error({ err: error, vmId: vm.id }, 'a VM could not be ended');
    }
  }

  get #graceMs(): number {
    return this.#deps.stopGraceMs ?? defaults.stopGraceMs;
  }
}

function execSpecOf({ jobId, attempt, spec }: Execution, more: Readonly<Record<string, string>>): ExecSpec {
  const env = {
    PATH: path,
    HOME: spec.uid === 0 ? '/root' : '/',
    ...spec.env,
    BLIXARD_JOB_ID: jobId,
    BLIXARD_ATTEMPT: String(attempt),
    ...more,
  };
  return {
    argv: spec.command,
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    cwd: spec.cwd,
    uid: spec.uid,
  };
}

/** The group that bounds its processes leaves a trace in the guest, which could serve no other job after it. */
function orderOf({ jobId, attempt, spec }: Execution): VmOrder {
  // As `attemptOfPurpose` reads it.
  const order = { ...spec, purpose: `${jobId}/${attempt}` };
  const wouldEndIt = spec.isolation === 'shared' && spec.pids !== undefined;
  return wouldEndIt ? { ...order, isolation: 'standard' } : order;
}

function stoppedEarly(vm: VmFacts | null): Outcome {
  return outcome('cancelled', { message: 'the job was cancelled before its command was started', vm });
}

/** The result, or a rejection as soon as `halt` aborts. */
async function unlessHalted<T>(result: Promise<T>, halt: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(halt.reason);
    if (halt.aborted) stop();
    halt.addEventListener('abort', stop, { once: true });
    result.then(resolve, reject).finally(() => halt.removeEventListener('abort', stop));
  });
}

/** Adds what the VM and its VMM last said, once the VMM has ended, so that all of it is there. */
async function withLastWords(error: BlixardError, vm: MicroVm): Promise<BlixardError> {
  if (error.code === 'GUEST_REFUSED') return error;
  const exit = await vm.kill();
  const words = lastWords(vm.console(), exit, limits.reasonLength - error.message.length);
  if (words === '') return error;
  const problem = `${error.details['problem'] ?? error.message}${words}`;
  return new BlixardError(error.code, { ...error.details, problem }, { cause: error });
}
