/** Handlers of queues, and of forgetting jobs. */
import type { AppDeps, Handlers } from './handler.ts';

type QueueRoutes =
  | 'listQueues'
  | 'getQueue'
  | 'setQueue'
  | 'deleteQueue'
  | 'pauseQueue'
  | 'resumeQueue'
  | 'getQueueStats'
  | 'redriveQueue'
  | 'purgeQueue'
  | 'removeJob';

/** Commands and queries of queues. */
export function queueHandlers({
  queues,
  queueQueries,
  forget,
}: Pick<AppDeps, 'queues' | 'queueQueries' | 'forget'>): Pick<Handlers, QueueRoutes> {
  return {
    listQueues: ({ query }) => queueQueries.list(query),
    getQueue: ({ params }) => queueQueries.get(params.name),
    setQueue: ({ params, body }) => queues.set(params.name, body),
    deleteQueue: ({ params }) => queues.delete(params.name),
    pauseQueue: ({ params }) => queues.pause(params.name),
    resumeQueue: ({ params }) => queues.resume(params.name),
    getQueueStats: ({ params }) => queueQueries.stats(params.name),
    redriveQueue: async ({ params, headers, body }) => {
      const redriven = await queues.redrive(params.name, body, headers['idempotency-key']);
      if (redriven.redriven === 0) await queueQueries.assertKnown(params.name);
      return redriven;
    },
    purgeQueue: async ({ params, body }) => {
      const purged = await forget.purge(params.name, body);
      if (purged.purged === 0) await queueQueries.assertKnown(params.name);
      return purged;
    },
    removeJob: ({ params }) => forget.remove(params.id),
  };
}
