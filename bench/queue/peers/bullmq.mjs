/** BullMQ on Redis: `always` and `everysec` differ by the Redis they are given. */
import { Queue, Worker } from 'bullmq';

export async function open({ port, concurrency, payload }) {
  const connection = { host: '127.0.0.1', port };
  const queue = new Queue('bench', { connection });
  await queue.waitUntilReady();
  let worker;
  return {
    enqueue: (index) => queue.add('noop', { ...payload, index }),
    bulk: (indexes) => queue.addBulk(indexes.map((index) => ({ name: 'noop', data: { ...payload, index } }))),
    start: async (handle) => {
      worker = new Worker('bench', async (job) => handle(job.data.index), { connection, concurrency });
      await worker.waitUntilReady();
      return () => worker.close();
    },
    stop: async () => {
      await worker?.close();
      await queue.obliterate({ force: true });
      await queue.close();
    },
  };
}
