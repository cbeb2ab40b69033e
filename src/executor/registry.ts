/** The executors of one worker, by name. */
import type { ExecutorOffer } from '../contract/worker.ts';
import { limits } from '../domain/limits.ts';
import type { Executor } from './executor.ts';

/** Finds executors by name; a later one of the same name replaces an earlier. */
export class ExecutorRegistry {
  readonly #executors: ReadonlyMap<string, Executor>;

  constructor(executors: readonly Executor[]) {
    this.#executors = new Map(executors.map((executor) => [executor.name, executor]));
  }

  find(name: string): Executor | undefined {
    return this.#executors.get(name);
  }

  /** Whether this worker may claim ahead: a heavy job must not wait behind others where another worker is free. */
  get isLight(): boolean {
    return [...this.#executors.values()].every((executor) => executor.isLight);
  }

  names(): readonly string[] {
    return [...this.#executors.keys()];
  }

  /** What the worker tells at its registration. */
  offers(): ExecutorOffer[] {
    return [...this.#executors.values()].map((executor) => {
      const vmMax = executor.vmMax?.();
      return {
        name: executor.name,
        unavailable: executor.unavailable()?.slice(0, limits.reasonLength) ?? null,
        ...(vmMax === undefined ? {} : { vmMax }),
      };
    });
  }
}
