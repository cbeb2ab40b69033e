/** Wake-ups inside one control process: who waits is told at once, so nothing polls the store. */
import type { AttemptRef } from '../contract/worker.ts';

/** Ends the listening; a second call does nothing. */
export type Unsubscribe = () => void;

/** `jobs` of this queue and executor may be claimed now; null is any executor. */
export type ReadyListener = (queue: string, executor: string | null, jobs: number) => void;
/** This held attempt should stop; without one, something else about the worker has changed. */
export type CancelListener = (attempt: AttemptRef | undefined) => void;
/** The lease of a worker ends then, epoch ms; null when it has none any more. */
export type LeaseListener = (workerId: string, untilMs: number | null) => void;

/** Listeners live as long as the call that waits, so their number is bounded by the open calls. */
export class Signals {
  readonly #ready = new Set<ReadyListener>();
  readonly #maybeReady = new Set<() => void>();
  readonly #due = new Set<(atMs: number) => void>();
  readonly #slot = new Set<(atMs: number) => void>();
  readonly #lease = new Set<LeaseListener>();
  readonly #anyEnded = new Set<() => void>();
  readonly #parentEnded = new Set<() => void>();
  readonly #queueSet = new Set<() => void>();
  readonly #logsLeft = new Set<() => void>();
  readonly #ended = new Keyed<() => void>();
  readonly #changed = new Keyed<() => void>();
  readonly #groupMoved = new Keyed<() => void>();
  readonly #cancel = new Keyed<CancelListener>();

  /**
   * Jobs may be claimed. Also called right after their write was handed to the store and before its answer,
   * so that a waiting claim rides in the same commit.
   */
  ready(queue: string, executor: string | null, jobs = 1): void {
    for (const fn of this.#ready) fn(queue, executor, jobs);
  }

  /** A queue has room again: jobs that waited for it, of whatever executor, may be claimed. */
  room(queue: string, jobs = 1): void {
    this.ready(queue, null, jobs);
  }

  onReady(fn: ReadyListener): Unsubscribe {
    return added(this.#ready, fn);
  }

  /** Jobs of any queue may have become ready without a word of it. */
  maybeReady(): void {
    for (const fn of this.#maybeReady) fn();
  }

  onMaybeReady(fn: () => void): Unsubscribe {
    return added(this.#maybeReady, fn);
  }

  /** A job has reached a state in which it has ended; tells those who wait for any change, too. */
  ended(jobId: string): void {
    for (const fn of this.#ended.of(jobId)) fn();
    for (const fn of this.#anyEnded) fn();
    this.changed(jobId);
  }

  /** Calls `fn` when the job has ended, and when it may have: look whether it has. */
  onEnded(jobId: string, fn: () => void): Unsubscribe {
    return this.#ended.add(jobId, fn);
  }

  /** Calls `fn` for the end of every job: it must be quick. */
  onAnyEnded(fn: () => void): Unsubscribe {
    return added(this.#anyEnded, fn);
  }

  /** A job has ended that others may run after. */
  parentEnded(): void {
    for (const fn of this.#parentEnded) fn();
  }

  onParentEnded(fn: () => void): Unsubscribe {
    return added(this.#parentEnded, fn);
  }

  /** A job of this group has ended. */
  groupMoved(name: string): void {
    for (const fn of this.#groupMoved.of(name)) fn();
  }

  onGroupMoved(name: string, fn: () => void): Unsubscribe {
    return this.#groupMoved.add(name, fn);
  }

  /** The settings of a queue have changed. */
  queueSet(): void {
    for (const fn of this.#queueSet) fn();
  }

  onQueueSet(fn: () => void): Unsubscribe {
    return added(this.#queueSet, fn);
  }

  /** Jobs may have been forgotten whose logs could not be removed. */
  logsLeft(): void {
    for (const fn of this.#logsLeft) fn();
  }

  onLogsLeft(fn: () => void): Unsubscribe {
    return added(this.#logsLeft, fn);
  }

  /** A job has changed: claimed, started, put back, asked to stop, ended. */
  changed(jobId: string): void {
    for (const fn of this.#changed.of(jobId)) fn();
  }

  onChanged(jobId: string, fn: () => void): Unsubscribe {
    return this.#changed.add(jobId, fn);
  }

  /** Any job may have changed or ended without a word of it: whoever waits for one, or for a group, looks again. */
  maybeMoved(): void {
    for (const keyed of [this.#ended, this.#changed, this.#groupMoved]) for (const fn of keyed.all()) fn();
  }

  /** A worker must be told something: an attempt it holds should stop, or its own state has changed. */
  cancel(workerId: string, attempt?: AttemptRef): void {
    for (const fn of this.#cancel.of(workerId)) fn(attempt);
  }

  onCancel(workerId: string, fn: CancelListener): Unsubscribe {
    return this.#cancel.add(workerId, fn);
  }

  /** A job becomes due, or expires, then, epoch ms. */
  due(atMs: number): void {
    for (const fn of this.#due) fn(atMs);
  }

  onDue(fn: (atMs: number) => void): Unsubscribe {
    return added(this.#due, fn);
  }

  /** A schedule has its next slot then, epoch ms. */
  slot(atMs: number): void {
    for (const fn of this.#slot) fn(atMs);
  }

  onSlot(fn: (atMs: number) => void): Unsubscribe {
    return added(this.#slot, fn);
  }

  lease(workerId: string, untilMs: number | null): void {
    for (const fn of this.#lease) fn(workerId, untilMs);
  }

  onLease(fn: LeaseListener): Unsubscribe {
    return added(this.#lease, fn);
  }
}

const nobody: readonly never[] = [];

/** Sets of listeners by key; a key without listeners takes no memory. */
class Keyed<F> {
  readonly #sets = new Map<string, Set<F>>();

  /** A copy, because a listener may take itself out while it is called. */
  of(key: string): readonly F[] {
    const set = this.#sets.get(key);
    return set === undefined ? nobody : [...set];
  }

  /** Of every key; a copy, too. */
  all(): readonly F[] {
    return [...this.#sets.values()].flatMap((set) => [...set]);
  }

  add(key: string, fn: F): Unsubscribe {
    const set = this.#sets.get(key) ?? new Set();
    this.#sets.set(key, set);
    set.add(fn);
    return () => {
      set.delete(fn);
      if (set.size === 0 && this.#sets.get(key) === set) this.#sets.delete(key);
    };
  }
}

function added<F>(set: Set<F>, fn: F): Unsubscribe {
  set.add(fn);
  return () => set.delete(fn);
}
