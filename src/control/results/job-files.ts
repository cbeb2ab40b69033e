/** All that lies on disk of a job, and goes with it. */
import type { JobLogs } from '../forget-commands.ts';

/** Its logs and its artifacts as one. */
export class JobFiles implements JobLogs {
  readonly #places: readonly JobLogs[];

  constructor(places: readonly JobLogs[]) {
    this.#places = places;
  }

  async remove(jobId: string): Promise<void> {
    for (const place of this.#places) await place.remove(jobId);
  }
}
