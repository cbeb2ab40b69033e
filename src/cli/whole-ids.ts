/** Makes starts of ids of jobs whole, where the server wants whole ones: what a job runs after, what it gets. */
import type { BlixardClient } from '../client/index.ts';
import type { SubmitJob } from '../contract/job.ts';
import { readJobId } from './job-id.ts';

/** Each once. Rejects with USAGE before anything is asked, and as `getJob` does. */
export async function wholeIds(client: BlixardClient, given: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const id of given.map(readJobId)) ids.push((await client.call('getJob', { params: { id } })).id);
  return [...new Set(ids)];
}

/** The job with whole ids of the jobs whose output it gets. */
export async function withWholeInputs(client: BlixardClient, job: SubmitJob): Promise<SubmitJob> {
  return job.inputs === undefined ? job : { ...job, inputs: await wholeIds(client, job.inputs) };
}
