/** What chaos tests do to many jobs at once. */
import type { BlixardClient } from '../../src/client/index.ts';
import type { Job, SubmitJob } from '../../src/contract/job.ts';
import { limits } from '../../src/domain/limits.ts';

/** Submits in batches; gives the ids in their order once all are on disk. */
export async function submitAll(client: BlixardClient, jobs: readonly SubmitJob[]): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < jobs.length; at += limits.batchJobs) {
    const body = jobs.slice(at, at + limits.batchJobs);
    ids.push(...(await client.call('submitJobs', { body })).jobs.map(({ id }) => id));
  }
  return ids;
}

/** `count` jobs of one form. */
export function times(count: number, make: (index: number) => SubmitJob): SubmitJob[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Each of these jobs once it has ended; rejects when one has not within a minute. */
export async function allEnded(client: BlixardClient, ids: readonly string[]): Promise<Job[]> {
  return await Promise.all(
    ids.map(async (id) => {
      const job = await client.call('getJob', { params: { id }, query: { waitMs: limits.waitMsMax } });
      if (job.endedAtMs === null)
        throw new Error(`job ${id} has not ended, it is ${job.state}: ${job.waiting}`);
      return job;
    }),
  );
}
