/** Watches over a running command: ends it at its timeout, when asked to, or at once. */
import { constants } from 'node:os';
import type { ExitReply } from '../contract/guest.ts';
import { defaults } from '../domain/defaults.ts';
import { asBlixardError, BlixardError } from '../domain/errors.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { GuestExec } from '../vm/guest-session.ts';
import type { Execution } from './executor.ts';

/** What cut a command short. */
export type Cut = 'timeout' | 'cancelled';

/** How a command ended. */
export interface CommandEnd {
  /** What the guest told, or the error in its place. */
  readonly told: ExitReply | BlixardError;
  /** What had cut it short before. */
  readonly cut: Cut | undefined;
  /** It did not end by itself in the grace time. */
  readonly vmKilled: boolean;
}

/** A started command, and what may end it. */
export interface CommandRunDeps {
  readonly exec: GuestExec;
  /** Ends the VM at once, whatever the guest does. */
  readonly killVm: () => void;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** SIGTERM to the kill of the VM. */
  readonly graceMs: number;
  readonly stop: Execution['stop'];
  readonly kill: Execution['kill'];
}

/** Watches one command; its first reason to cut it short is the one that counts. */
export class CommandRun {
  readonly #deps: CommandRunDeps;
  readonly #timers: Timer[] = [];
  #cut: Cut | undefined;
  #vmKilled = false;
  /** The command has ended with this; its output may still be on its way. */
  #reply: ExitReply | undefined;
  #over = false;
  #giveUp: ((told: CommandEnd['told']) => void) | undefined;

  constructor(deps: CommandRunDeps) {
    this.#deps = deps;
  }

  /** Resolves when the command has ended and its output was taken, or some time after its VM was killed. */
  async ended(): Promise<CommandEnd> {
    const { exec, stop, kill, timeoutMs } = this.#deps;
    const cancel = (): void => this.#cutShort('cancelled');
    const killVm = (): void => this.#killVm();
    const stuck = new Promise<CommandEnd['told']>((resolve) => {
      this.#giveUp = resolve;
    });
    this.#after(timeoutMs, () => this.#cutShort('timeout'));
    stop.addEventListener('abort', cancel);
    kill.addEventListener('abort', killVm);
    if (stop.aborted) cancel();
    if (kill.aborted) killVm();
    void exec.told.then((reply) => this.#commandEnded(reply));
    const told = await Promise.race([exec.exited.catch(asBlixardError), stuck]);
    this.#over = true;
    this.#cancelTimers();
    stop.removeEventListener('abort', cancel);
    kill.removeEventListener('abort', killVm);
    return { told, cut: this.#cut, vmKilled: this.#vmKilled };
  }

  #cutShort(why: Cut): void {
    if (this.#cut !== undefined) return;
    if (this.#reply !== undefined) {
      this.#boundOutput(this.#reply);
      return;
    }
    this.#cut = why;
    this.#deps.exec.signal(constants.signals.SIGTERM);
    this.#after(this.#deps.graceMs, () => this.#killVm());
  }

  /** Nothing is left to cut short: how long its output takes is not the command's doing. */
  #commandEnded(reply: ExitReply): void {
    this.#reply = reply;
    this.#cancelTimers();
    if (this.#cut !== undefined || this.#vmKilled) this.#boundOutput(reply);
  }

  #boundOutput(reply: ExitReply): void {
    this.#after(defaults.outputDrainMs, () => this.#giveUp?.(reply));
  }

  /** After a kill only output that nobody takes can hold up the end. */
  #killVm(): void {
    this.#vmKilled = true;
    this.#deps.killVm();
    const notTaken = new BlixardError('VM_CRASHED', { problem: 'killed, and its last output was not taken' });
    this.#after(defaults.outputDrainMs, () => this.#giveUp?.(notTaken));
  }

  #cancelTimers(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  #after(delayMs: number, act: () => void): void {
    if (this.#over) return;
    this.#timers.push(this.#deps.clock.after(delayMs, act));
  }
}
