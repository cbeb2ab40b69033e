/** Who wants to know that something was committed, so that nobody has to look again and again. */

/** A source of commits: the store of this process, later also what other control nodes commit. */
export interface Commits {
  /** Calls `fn` after each commit, until the returned function is called. `fn` must not throw. */
  onCommit(fn: () => void): () => void;
}

/** Tells its listeners of commits. */
export class CommitListeners implements Commits {
  readonly #listeners = new Set<() => void>();

  onCommit(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Something was committed. */
  tell(): void {
    for (const fn of this.#listeners) fn();
  }
}
