/** What the end of a job means for the shell: exit codes as `docker run` and `timeout` have them, and one sentence. */
import type { Job } from '../contract/job.ts';
import { endReasons } from '../domain/job.ts';
import type { Interrupt } from './context.ts';
import { endOf } from './output/job-end.ts';

/** Exit codes that are not the command's own. */
export const exitCodes = {
  /** As timeout(1) has it. */
  timeout: 124,
  /** Blixard's own error, or its host's. */
  ownError: 125,
  /** A command ended by signal n exits with this plus n; so does a program whose output nobody reads. */
  signalBase: 128,
} as const;

const sigint = 2;
const sigkill = 9;
/** 128 + SIGPIPE. */
export const outputClosedCode = exitCodes.signalBase + 13;

/** The exit code of a program that was interrupted. */
export const interruptCodes: Readonly<Record<Interrupt, number>> = {
  SIGINT: exitCodes.signalBase + sigint,
  SIGTERM: exitCodes.signalBase + 15,
};

/** The exit code for a job that has ended. */
export function exitCodeOf(job: Job): number {
  if (job.state === 'completed') return 0;
  if (job.state === 'cancelled') return exitCodes.signalBase + sigint;
  switch (job.reason) {
    case 'exit':
      return job.exitCode ?? exitCodes.ownError;
    case 'signal':
      return exitCodes.signalBase + (job.signal ?? sigkill);
    case 'oom':
      return exitCodes.signalBase + sigkill;
    case 'timeout':
      return exitCodes.timeout;
    default:
      return exitCodes.ownError;
  }
}

/** What to tell on standard error about the end; undefined when the command's own exit says it all. */
export function endNotice(job: Job): string | undefined {
  if (job.reason === null) return undefined;
  // What of that which it left was not kept.
  if (job.reason === 'exit') return job.message === null ? undefined : `job ${job.id}: ${job.message}`;
  if (job.state === 'cancelled')
    return `job ${job.id} was cancelled: ${job.cancelReason ?? job.message ?? 'no reason given'}`;
  const why = job.message ?? endReasons[job.reason].text;
  return `job ${job.id} ${job.state} (${endOf(job)}): ${why}`;
}
