/** Says in words why a job that was tried before is not tried at once again. */
import type { Job } from '../contract/job.ts';
import { endReasons } from '../domain/job.ts';

/** How its newest attempt ended and when it is due; null for a job that was never tried. */
export function whyBackedOff({ attempt, reason, exitCode, runAtMs }: Job): string | null {
  if (attempt === 0 || reason === null) return null;
  const end = exitCode === null ? reason : `${reason} ${exitCode}`;
  const blame = endReasons[reason].infrastructure ? ', through no fault of the job' : '';
  return `Attempt ${attempt} ended with ${end}${blame}; the next may start at ${new Date(runAtMs).toISOString()}.`;
}
