/** Copies a job's output to this terminal, streams apart and byte for byte, until the job has ended. */
import type { BlixardClient } from '../client/index.ts';
import type { Job } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { formatBytes } from '../domain/units.ts';
import { say } from './command.ts';
import type { CliContext } from './context.ts';
import { OutputClosed, type OutputName } from './terminal.ts';

/** Which part of the output is wanted, and for how long. */
export interface FollowOptions {
  readonly attempt?: number;
  /** Only this stream; both when left out. */
  readonly stream?: OutputName;
  readonly signal?: AbortSignal;
  /** Called when the first of the output is here. */
  onOutput?(): void;
}

/** Resolves with the ended job. Rejects with OutputClosed as `copyOutput` does. */
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
    else await copyOutput(context, event, options.stream);
  }
  throw new BlixardError('SERVER_ANSWER_INVALID', {
    url: 'the server',
    problem: 'the output ended without the end of the job',
  });
}

/**
 * Writes a piece of output, unless another stream than its own is wanted. Rejects with OutputClosed when nobody reads
 * what is wanted: where both streams are, a lost standard error costs only what was written there.
 */
export async function copyOutput(
  context: CliContext,
  { stream, data }: { readonly stream: OutputName; readonly data: Uint8Array },
  wanted?: OutputName,
): Promise<void> {
  if (wanted !== undefined && wanted !== stream) return;
  try {
    await context.terminal.write(stream, data);
  } catch (error) {
    const isLeft = error instanceof OutputClosed && error.stream === 'stderr' && wanted === undefined;
    if (!isLeft) throw error;
  }
}

/** Tells of output that was not kept. */
export function sayGap(context: CliContext, missingBytes: number): Promise<void> {
  return say(context, `${formatBytes(missingBytes)} of output are not kept here`);
}
