/** Runs one job of the demo from its submission to its end. */
import type { BlixardClient } from '../../src/client/index.ts';
import type { Job } from '../../src/contract/job.ts';
import { BlixardError } from '../../src/domain/errors.ts';
import { realClock, sleep } from '../../src/platform/clock.ts';
import type { DemoJob } from './jobs.ts';
import type { EndedDemoJob, JobLines } from './show.ts';

/** Submits the job, shows its output as it comes, and tells how it ended. */
export async function runDemoJob(
  client: BlixardClient,
  demo: DemoJob,
  lines: JobLines,
): Promise<EndedDemoJob> {
  const { id } = await client.call('submitJob', { body: demo.submit });
  const job = await follow(client, demo, id, lines);
  const { attempts } = await client.call('listAttempts', { params: { id } });
  return { name: demo.name, job, attempt: attempts.at(-1), asExpected: endedAsExpected(demo, job) };
}

async function follow(client: BlixardClient, demo: DemoJob, id: string, lines: JobLines): Promise<Job> {
  let cancelled: Promise<void> | undefined;
  for await (const event of client.followLogs(id)) {
    if (event.kind === 'end') {
      await cancelled;
      lines.end();
      return event.job;
    }
    if (event.kind === 'gap') lines.note(`${event.missingBytes} bytes are missing`);
    else lines.write(event.data.toString());
    if (demo.cancelAfterMs !== undefined) cancelled ??= cancelLater(client, id, demo.cancelAfterMs, lines);
  }
  throw new BlixardError('INTERNAL', { problem: `the output of job ${id} had no end` });
}

async function cancelLater(
  client: BlixardClient,
  id: string,
  delayMs: number,
  lines: JobLines,
): Promise<void> {
  await sleep(realClock, delayMs);
  lines.note('(cancelling it now)');
  await client.call('cancelJob', { params: { id }, body: { reason: 'part of the demo' } });
}

function endedAsExpected({ expected }: DemoJob, job: Job): boolean {
  const { state, reason, exitCode } = expected;
  return (
    job.state === state && job.reason === reason && (exitCode === undefined || job.exitCode === exitCode)
  );
}
