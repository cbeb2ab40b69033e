/** Undoes a start step by step, last step first, also when one step of it fails. */

/** The steps back, in the order they were taken. */
export class Teardown {
  readonly #steps: (() => Promise<void>)[] = [];

  /** Adds what undoes the step just taken. */
  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  /** Runs every step once; rejects with the first error after all have run. */
  async run(): Promise<void> {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step().catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Runs `start`; when it fails, undoes the steps it took and rejects with its error. */
  async guard<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (error) {
      await this.run();
      throw error;
    }
  }
}
