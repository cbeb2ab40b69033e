/** Refuses what older holders say, and counts it. */
import { BlixardError } from '../domain/errors.ts';
import type { Log } from '../platform/log.ts';

/** Who claims to hold an attempt. */
export interface Holder {
  readonly workerId: string;
  readonly generation: number;
}

/** One per control process. */
export class Fence {
  readonly #log: Log;
  #refused = 0;

  constructor(deps: { log: Log }) {
    this.#log = deps.log;
  }

  /** Stale writes refused since the process started. */
  get refused(): number {
    return this.#refused;
  }

  /** Counts a stale write and gives the error to throw for it. */
  refuse(holder: Holder, problem: string): BlixardError {
    this.#refused++;
    this.#log.warn({ ...holder, problem }, 'a stale write was refused');
    return new BlixardError('FENCED', { problem });
  }
}
