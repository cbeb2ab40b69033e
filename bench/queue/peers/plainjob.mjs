/** plainjob on SQLite: as it comes (synchronous NORMAL, a poll each second), or durable and with a fast poll. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { better, defineQueue, defineWorker } from 'plainjob';

const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (text) => process.stderr.write(`plainjob: ${text}\n`),
};
const stopWithinMs = 1_500;

export async function open({ dir, concurrency, durable, payload }) {
  const db = new Database(join(dir, 'plainjob.db'));
  const queue = defineQueue({ connection: better(db), logger: log });
  if (durable) db.pragma('synchronous = FULL');
  let workers = [];
  const stopWorkers = async () => {
    const late = new Promise((resolve) => setTimeout(resolve, stopWithinMs));
    await Promise.race([Promise.all(workers.map((worker) => worker.stop())), late]);
    workers = [];
  };
  return {
    enqueue: async (index) => queue.add('noop', { ...payload, index }),
    bulk: async (indexes) => {
      const data = indexes.map((index) => ({ ...payload, index }));
      return queue.addMany('noop', data);
    },
    start: async (handle) => {
      const options = { queue, logger: log, ...(durable ? { pollIntervall: 10 } : {}) };
      for (let count = 0; count < concurrency; count++) {
        const worker = defineWorker('noop', async (job) => handle(JSON.parse(job.data).index), options);
        workers.push(worker);
        void worker.start();
      }
      return stopWorkers;
    },
    stop: async () => {
      await stopWorkers();
      queue.close();
    },
  };
}
