/** graphile-worker on PostgreSQL: as it comes, or tuned with a local queue and batched completion. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';

const quiet = new Logger(() => () => undefined);
const tuning = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

export async function open({ url, concurrency, tuned, payload }) {
  const pgPool = new pg.Pool({ connectionString: url, max: Math.max(10, concurrency + 4) });
  pgPool.on('error', (error) => process.stderr.write(`graphile-worker: ${error.message}\n`));
  pgPool.on('connect', (client) => client.on('error', () => undefined));
  const utils = await makeWorkerUtils({ pgPool, logger: quiet });
  await utils.migrate();
  let runner;
  const stopWorker = async () => {
    await runner?.stop();
    runner = undefined;
  };
  return {
    enqueue: (index) => utils.addJob('noop', { ...payload, index }),
    bulk: (indexes) =>
      utils.addJobs(indexes.map((index) => ({ identifier: 'noop', payload: { ...payload, index } }))),
    start: async (handle) => {
      runner = await run({
        pgPool,
        logger: quiet,
        noHandleSignals: true,
        taskList: { noop: async (data) => handle(data.index) },
        preset: {
          worker: { concurrentJobs: concurrency, pollInterval: 2_000, ...(tuned ? tuning : {}) },
        },
      });
      return stopWorker;
    },
    stop: async () => {
      await stopWorker();
      await utils.release();
      await pgPool.end();
    },
  };
}
