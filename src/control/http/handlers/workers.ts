/** Handlers of workers. */
import type { LogStore } from '../../logs/log-store.ts';
import type { AppDeps, Handlers } from './handler.ts';

type WorkerRoutes =
  | 'registerWorker'
  | 'listWorkers'
  | 'getWorker'
  | 'work'
  | 'tellImages'
  | 'heartbeat'
  | 'drainWorker'
  | 'removeWorker';

/** What workers say, and what is told of them. */
export function workerHandlers({
  workers,
  queries,
  logs,
  vms,
}: Pick<AppDeps, 'workers' | 'queries' | 'vms'> & { readonly logs: Pick<LogStore, 'seal'> }): Pick<
  Handlers,
  WorkerRoutes
> {
  return {
    registerWorker: ({ body }) => workers.register(body),
    listWorkers: async () => ({ workers: await queries.workers() }),
    getWorker: ({ params }) => queries.worker(params.id),
    work: async ({ params, body, gone }) => {
      // The end of an attempt is told only when its log is on disk for good. One whose start no call told wrote none.
      for (const { jobId, attempt, startedAtMs } of body.done) {
        if (startedAtMs === undefined) await logs.seal(jobId, attempt);
      }
      vms.offer(params.id, body);
      try {
        return await workers.work(params.id, body, gone);
      } finally {
        vms.withdraw(params.id, body);
      }
    },
    tellImages: ({ params, body }) => workers.tellImages(params.id, body),
    heartbeat: ({ params, body }) => workers.heartbeat(params.id, body.generation),
    drainWorker: ({ params, query }) => workers.drain(params.id, query.generation),
    removeWorker: ({ params, query }) => workers.remove(params.id, query.generation),
  };
}
