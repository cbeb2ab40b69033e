/** An abort signal that is made when somebody looks at it: most of what could be aborted is over before. */
export class LazySignal {
  #controller: AbortController | undefined;
  #reason: unknown;
  #isAborted = false;
  #listeners: Set<() => void> | undefined;

  get isAborted(): boolean {
    return this.#isAborted;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Safe to call again; the first reason stays. */
  abort(reason?: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const fn of this.#listeners ?? []) fn();
    this.#listeners = undefined;
  }

  /** Calls `fn` when it is aborted, once, and makes no signal for it; not for an abort before. */
  onAbort(fn: () => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(fn);
    return () => void this.#listeners?.delete(fn);
  }

  throwIfAborted(): void {
    if (this.#isAborted) this.signal.throwIfAborted();
  }
}
