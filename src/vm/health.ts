/** Asks every VM that serves somebody whether it still lives, and gives up those that do not answer. */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';

/** How often, and how long an answer may take; a busy guest on a busy host takes seconds. */
export interface HealthConfig {
  readonly pingEveryMs: number;
  readonly pingTimeoutMs: number;
}

/** A VM, as far as its health goes. */
export interface Patient {
  readonly id: string;
  /** Its processors stand still, so that it cannot answer. */
  readonly isPaused: boolean;
  /** It has ended, or is about to. */
  readonly isOver: boolean;
  readonly exited: Promise<unknown>;
  /** Resolves with the answer, rejects when there is none in time. */
  ping(timeoutMs: number): Promise<unknown>;
  /** Ends it, with the error for all that waits for it. */
  fail(error: BlixardError): void;
}

interface Record {
  readonly vm: Patient;
  /** Pings in a row without an answer. */
  missed: number;
  isAsked: boolean;
}

/** One timer for all VMs, which runs only while there are any. */
export class HealthChecker {
  readonly #deps: { readonly config: HealthConfig; readonly clock: Clock; readonly log: Log };
  readonly #records = new Map<string, Record>();
  #timer: Timer | undefined;

  constructor(deps: { config: HealthConfig; clock: Clock; log: Log }) {
    this.#deps = deps;
  }

  /** Looks after a VM until it has ended; a paused one is left alone. */
  watch(vm: Patient): void {
    this.#records.set(vm.id, { vm, missed: 0, isAsked: false });
    this.#schedule();
    void vm.exited.then(() => {
      this.#records.delete(vm.id);
      if (this.#records.size === 0) this.#stop();
    });
  }

  #schedule(): void {
    this.#timer ??= this.#deps.clock.after(this.#deps.config.pingEveryMs, () => {
      this.#timer = undefined;
      for (const record of this.#records.values()) void this.#ask(record);
      if (this.#records.size > 0) this.#schedule();
    });
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One question at a time: however late this process itself is, that counts as one answer missed. */
  async #ask(record: Record): Promise<void> {
    const { vm } = record;
    if (record.isAsked || vm.isPaused) return;
    record.isAsked = true;
    try {
      await vm.ping(this.#deps.config.pingTimeoutMs);
      record.missed = 0;
    } catch (error) {
      this.#missed(record, error);
    } finally {
      record.isAsked = false;
    }
  }

  #missed(record: Record, error: unknown): void {
    const { vm } = record;
    // One that has ended, or was paused meanwhile, owes no answer.
    if (vm.isOver || vm.isPaused || !this.#records.has(vm.id)) return;
    record.missed++;
    const { id: vmId } = vm;
    this.#deps.log.warn({ err: error, vmId, missed: record.missed }, 'a VM did not answer a ping');
    if (record.missed < limits.pingsMissed) return;
    this.#records.delete(vmId);
    const each = formatDurationMs(this.#deps.config.pingTimeoutMs);
    const problem = `unhealthy, no answer to ${record.missed} pings in a row of ${each} each`;
    vm.fail(new BlixardError('VM_CRASHED', { problem }));
  }
}
