/** pg-boss on PostgreSQL: batches of 100 that are fetched and completed together, its most favourable setting. */
import PgBoss from 'pg-boss';

const batchSize = 100;
const shortestPollSeconds = 0.5;

export async function open({ url, concurrency, payload }) {
  const boss = new PgBoss({
    connectionString: url,
    max: Math.min(20, concurrency + 4),
    supervise: false,
    schedule: false,
  });
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  await boss.createQueue('bench');
  // A worker of pg-boss handles a batch at a time; more of them than this only wait for each other.
  const workers = Math.min(concurrency, 10);
  return {
    enqueue: (index) => boss.send('bench', { ...payload, index }),
    bulk: (indexes) => boss.insert(indexes.map((index) => ({ name: 'bench', data: { ...payload, index } }))),
    start: async (handle) => {
      for (let count = 0; count < workers; count++) {
        const id = await boss.work(
          'bench',
          { batchSize, pollingIntervalSeconds: shortestPollSeconds },
          async (jobs) => {
            for (const job of jobs) await handle(job.data.index);
            // A full batch promises more: fetch again without waiting for the next poll.
            if (jobs.length === batchSize) boss.notifyWorker(id);
          },
        );
      }
      return () => boss.offWork('bench');
    },
    stop: async () => {
      await boss.stop({ graceful: false, timeout: 1_000 });
    },
  };
}
