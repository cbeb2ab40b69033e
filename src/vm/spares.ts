/**
 * Spare VMMs, one for each template that jobs are restored from where there is no pool: started and locked in, they
 * wait for the next job before they take in any memory. Replaced behind the back of the job that took one.
 */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Admission, Place } from './admission.ts';
import type { StartOrder, VmController, WaitingVm } from './controller.ts';
import type { MicroVm } from './micro-vm.ts';
import { looksOf, type PlacedVm } from './ready-vm.ts';
import type { Shortage } from './shortage.ts';
import { assertAnswers } from './spare-check.ts';
import type { Template } from './template-files.ts';
import type { Templates } from './templates.ts';

/** The host's processors belong to the jobs: a spare is started when the last VM has ended, or has run for a while. */
const startAfterMs = { itsEnd: 20, itsFirstCommand: 1_000 };
/** Without a restore for so long a template has no spare any more. */
const idleMs = 5 * 60_000;

/** What spares are made with. */
export interface SpareVmsDeps {
  readonly controller: Pick<VmController, 'startWaiting'>;
  readonly admission: Pick<Admission, 'onShortage' | 'onRoom' | 'takeToSpare'>;
  readonly templates: Pick<Templates, 'find' | 'use'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long one may take from the word to go on to its agent's hello. */
  readonly restoreTimeoutMs: number;
}

interface Spare {
  readonly waiting: WaitingVm;
  readonly place: Place;
  /** As it was when the VMM opened its files. */
  readonly template: Template;
}

interface Starting {
  readonly abort: AbortController;
  readonly place: Place;
  /** Never rejects. */
  readonly done: Promise<void>;
  /** A job waits for it. */
  isWanted: boolean;
}

/** One template in demand. */
interface Lane {
  readonly key: string;
  readonly order: StartOrder;
  spare: Spare | undefined;
  starting: Starting | undefined;
  startTimer: Timer | undefined;
  /** It was time for a spare, and there was no room. */
  isOwed: boolean;
  idleTimer: Timer | undefined;
}

/** Starts, hands out and ends spares. */
export class SpareVms {
  readonly #deps: SpareVmsDeps;
  /** Restored from last comes last. */
  readonly #lanes = new Map<string, Lane>();
  readonly #leaving = new Set<Spare>();
  readonly #pending = new Set<Promise<void>>();
  #isClosing = false;

  constructor(deps: SpareVmsDeps) {
    this.#deps = deps;
    deps.admission.onShortage((shortage) => this.#evict(shortage));
    deps.admission.onRoom(() => this.#startOwed());
  }

  /** VMs that wait. */
  list(): readonly MicroVm[] {
    return [...this.#lanes.values()].flatMap(({ spare }) => spare?.waiting.vm ?? []);
  }

  /**
   * The spare of this template, restored, also one that is just being started; undefined when there is none of it as
   * it is now, or it did not come up. Rejects with the signal's reason.
   */
  async take(key: string, signal: AbortSignal): Promise<PlacedVm | undefined> {
    const spare = await this.#find(key);
    if (spare === undefined) return undefined;
    const { templates, restoreTimeoutMs, clock, log } = this.#deps;
    const { waiting, place, template } = spare;
    try {
      if ((await looksOf(templates, key)) !== template.looks || waiting.vm.isOver) {
        this.#end(spare);
        return undefined;
      }
      await assertAnswers(waiting, clock);
      await waiting.goOn(restoreTimeoutMs, signal);
    } catch (error) {
      this.#end(spare);
      signal.throwIfAborted();
      log.warn({ err: error, vmId: waiting.vm.id }, 'a spare did not come up, another VM is started');
      return undefined;
    }
    templates.use(key, waiting.gone);
    return { started: waiting, place, template };
  }

  /** A job's VM was restored: once it runs, there is a spare for the next. */
  restored(key: string, order: StartOrder, vm: MicroVm): void {
    if (this.#isClosing) return;
    const lane = this.#lane(key, order);
    lane.idleTimer?.cancel();
    lane.idleTimer = this.#deps.clock.after(idleMs, () => this.drop(key));
    void vm.used.then(() => this.#startIn(lane, startAfterMs.itsFirstCommand));
    void vm.exited.then(() => this.#startIn(lane, startAfterMs.itsEnd));
  }

  /** The template is gone, or nobody asks for it. */
  drop(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined) return;
    this.#lanes.delete(key);
    lane.startTimer?.cancel();
    lane.idleTimer?.cancel();
    this.#give(lane, new BlixardError('VM_LIMIT', { problem: 'nobody needs it' }));
  }

  /** Ends all, and starts no more. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const key of [...this.#lanes.keys()]) this.drop(key);
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #lane(key: string, order: StartOrder): Lane {
    const known = this.#lanes.get(key);
    const none = { spare: undefined, starting: undefined, startTimer: undefined, idleTimer: undefined };
    const lane: Lane = known ?? { key, order, isOwed: false, ...none };
    this.#lanes.delete(key);
    this.#lanes.set(key, lane);
    const [oldest] = this.#lanes.keys();
    if (this.#lanes.size > limits.sparesMax && oldest !== undefined) this.drop(oldest);
    return lane;
  }

  async #find(key: string): Promise<Spare | undefined> {
    const lane = this.#lanes.get(key);
    if (lane === undefined) return undefined;
    lane.startTimer?.cancel();
    lane.isOwed = false;
    if (lane.starting?.isWanted === false) {
      lane.starting.isWanted = true;
      await lane.starting.done;
    }
    const { spare } = lane;
    lane.spare = undefined;
    return spare;
  }

  #startIn(lane: Lane, delayMs: number): void {
    if (this.#lanes.get(lane.key) !== lane) return;
    lane.startTimer?.cancel();
    lane.startTimer = this.#deps.clock.after(delayMs, () => this.#start(lane));
  }

  /** Restored from last goes first. */
  #startOwed(): void {
    for (const lane of [...this.#lanes.values()].reverse()) if (lane.isOwed) this.#start(lane);
  }

  #start(lane: Lane): void {
    lane.isOwed = false;
    if (lane.spare !== undefined || lane.starting !== undefined) return;
    const place = this.#deps.admission.takeToSpare(lane.order.memoryMiB);
    // The place of a VM is free only when its folder is gone, too, which takes its time.
    lane.isOwed = place === undefined;
    if (place === undefined) return;
    const abort = new AbortController();
    const done = this.#tryStart(lane, place, abort.signal).finally(() => {
      lane.starting = undefined;
    });
    lane.starting = { abort, place, done, isWanted: false };
    this.#track(done);
  }

  async #tryStart(lane: Lane, place: Place, signal: AbortSignal): Promise<void> {
    const { templates, controller, log } = this.#deps;
    try {
      const template = await templates.find(lane.key);
      if ('missing' in template) return place.leave();
      const waiting = await controller.startWaiting(lane.order, template.dir, signal);
      const spare = { waiting, place, template };
      void waiting.gone.then(() => {
        place.leave();
        if (lane.spare === spare) lane.spare = undefined;
      });
      place.started();
      if (signal.aborted) this.#end(spare);
      else lane.spare = spare;
    } catch (error) {
      place.leave();
      if (!signal.aborted) log.warn({ err: error, key: lane.key }, 'a spare VM could not be started');
    }
  }

  /** Ends what there is of a lane. Returns the memory that it gives back. */
  #give(lane: Lane, reason: BlixardError): number | undefined {
    const { spare, starting } = lane;
    lane.spare = undefined;
    if (spare !== undefined) this.#end(spare);
    starting?.abort.abort(reason);
    return (spare ?? starting)?.place.memoryMiB;
  }

  /** Restored from longest ago goes first. */
  #evict(shortage: Shortage): void {
    for (const { place } of this.#leaving) shortage.meet(place.memoryMiB);
    const reason = new BlixardError('VM_LIMIT', { problem: 'a job needs the room' });
    for (const lane of this.#lanes.values()) {
      if (shortage.isMet) return;
      const memoryMiB = this.#give(lane, reason);
      if (memoryMiB !== undefined) shortage.meet(memoryMiB);
    }
  }

  #end(spare: Spare): void {
    this.#leaving.add(spare);
    const { vm, gone } = spare.waiting;
    const ended = vm.kill().then(() => gone);
    this.#track(ended.finally(() => this.#leaving.delete(spare)));
  }

  #track(ending: Promise<void>): void {
    const tracked = ending.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }
}
