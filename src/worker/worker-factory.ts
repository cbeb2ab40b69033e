/** How a worker comes to be; each factory decides for itself where its parts come from. */
import type { Worker } from './worker.ts';

export interface WorkerFactory {
  /** A worker that is not started yet. Rejects with WORKER_LOCKED when its data directory has one already. */
  create(): Promise<Worker>;
}
