/** How a worker comes to be; each factory decides for itself where its parts come from. */
import type { Worker } from './worker.ts';

/** The one way to a worker; who calls it does not know which. */
export interface WorkerFactory {
  /** A worker that is not started yet. Rejects with WORKER_LOCKED when its data directory has one already. */
  create(): Promise<Worker>;
}
