/** Copies a job's output to this terminal, streams apart and byte for byte, until the job has ended. */
import type { BlixardClient } from '../client/index.ts';
import type { Job } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { formatBytes } from '../domain/units.ts';
import { say } from './command.ts';
import type { CliContext } from './context.ts';
import type { OutputName } from './terminal.ts';

/** Which part of the output is wanted, and for how long. */
export interface FollowOptions {
  readonly attempt?: number;
  /** Only this stream; both when left out. */
  readonly stream?: OutputName;
  readonly signal?: AbortSignal;
  /** Called when the first of the output is here. */
  onOutput?(): void;
}

/** Resolves with the ended job. Rejects with OutputClosed when nobody reads standard output any more. */
export async function followJob(
  context: CliContext,
  client: BlixardClient,
  jobId: string,
  options: FollowOptions = {},
): Promise<Job> {
  const { attempt, signal } = options;
  const events = client.followLogs(jobId, {
    ...(attempt === undefined ? {} : { attempt }),
    ...(signal === undefined ? {} : { signal }),
  });
  let current: number | undefined;
  for await (const event of events) {
    if (event.kind === 'end') return event.job;
    options.onOutput?.();
    if (current !== undefined && event.attempt !== current) {
      await say(context, `attempt ${current} is over; attempt ${event.attempt} begins anew`);
    }
    current = event.attempt;
    if (event.kind === 'gap') await sayGap(context, event.missingBytes);
    else if (options.stream === undefined || options.stream === event.stream) {
      await context.terminal.write(event.stream, event.data);
    }
  }
  throw new BlixardError('SERVER_ANSWER_INVALID', {
    url: 'the server',
    problem: 'the output ended without the end of the job',
  });
}

/** Tells of output that was not kept. */
export function sayGap(context: CliContext, missingBytes: number): Promise<void> {
  return say(context, `${formatBytes(missingBytes)} of output are not kept here`);
}
