/** The end of a job or attempt in a word or two, for tables. */
import type { Attempt, Job } from '../../contract/job.ts';

/** `exit 3`, `signal 9`, `timeout`, …; `-` before the end. */
export function endOf(ended: Pick<Job | Attempt, 'reason' | 'exitCode' | 'signal'>): string {
  if (ended.reason === null) return '-';
  if (ended.reason === 'exit' && ended.exitCode !== null) return `exit ${ended.exitCode}`;
  if (ended.reason === 'signal' && ended.signal !== null) return `signal ${ended.signal}`;
  return ended.reason;
}
