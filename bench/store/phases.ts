/** Enqueue and process no-op jobs in this process: µs of time and of processor per job, and jobs per second. */
import type { AttemptRef } from '../../src/contract/worker.ts';
import type { Report } from '../lib/report.ts';
import { emptyJob, inFlight, type Stored, withStored } from '../lib/stored.ts';

const clients = 50;
const warmUps = 2_000;
const sets = [1, 10, 50, 100, 500];

/** Time and processor of `act`, µs per job. */
async function cost(jobs: number, act: () => Promise<void>): Promise<{ wall: number; cpu: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await act();
  const wall = ((performance.now() - start) * 1_000) / jobs;
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: (user + system) / jobs };
}

function enqueue(stored: Stored, count: number): Promise<void> {
  return inFlight(count, clients, () => stored.jobs.submit(emptyJob));
}

/** Each call reports the set before and claims the next one. */
async function processAll(stored: Stored, set: number): Promise<void> {
  let done: readonly AttemptRef[] = [];
  do {
    const { claimed, fenced } = await stored.work({ done, want: set });
    if (fenced.length > 0) throw new Error(`${fenced.length} ends were refused`);
    await Promise.all(claimed.map((job) => stored.start(job)));
    done = claimed;
  } while (done.length > 0);
}

export async function benchPhases(report: Report, jobs: number): Promise<void> {
  await withStored(async (stored) => {
    await stored.register(['default']);
    await enqueue(stored, warmUps);
    await processAll(stored, 100);
    for (const set of sets) {
      const count = set === 1 ? Math.ceil(jobs / 10) : jobs;
      const enqueued = await cost(count, () => enqueue(stored, count));
      const processed = await cost(count, () => processAll(stored, set));
      if (set !== 1) tell(report, `enqueue, ${clients} in flight`, enqueued);
      tell(report, `process, sets of ${set}`, processed);
    }
  });
}

function tell(report: Report, name: string, { wall, cpu }: { wall: number; cpu: number }): void {
  report.add(name, 'jobs/s', 1_000_000 / wall);
  report.add(`${name}: time`, 'µs/job', wall);
  report.add(`${name}: processor`, 'µs/job', cpu);
}
