/** A question to the guest that waits for its answer, up to a time. */
import type { BlixardError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';

/** Settles once: by the answer, by an error, or with `late()` after `timeoutMs`; what comes after that is ignored. */
export class Pending<T> {
  readonly answer: Promise<T>;
  #settle: { resolve(value: T): void; reject(error: BlixardError): void } | undefined;

  constructor(deps: { clock: Clock; timeoutMs: number; late: () => BlixardError }) {
    this.answer = new Promise<T>((resolve, reject) => {
      const timer = deps.clock.after(deps.timeoutMs, () => this.reject(deps.late()));
      this.#settle = {
        resolve(value) {
          timer.cancel();
          resolve(value);
        },
        reject(error) {
          timer.cancel();
          reject(error);
        },
      };
    });
  }

  resolve(value: T): void {
    this.#settle?.resolve(value);
    this.#settle = undefined;
  }

  reject(error: BlixardError): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
