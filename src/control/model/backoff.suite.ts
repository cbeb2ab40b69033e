/** What the model knows of back-offs: they double from failure to failure, a quarter of each is chance. */
import { endReasons } from '../../domain/job.ts';
import type { ModelJob } from './model-parts.suite.ts';

/** How long a job that has just failed, and has no back-off of its own, waits at least and at most. */
export function backoffBounds(job: ModelJob): { readonly leastMs: number; readonly mostMs: number } {
  const { reason, infraFailures, attemptsUsed } = job;
  const isInfra = reason !== null && endReasons[reason].infrastructure;
  const [firstMs, capMs] = isInfra ? [500, 30_000] : [1_000, 300_000];
  const ofReason = Object.entries(job.usedByReason).find(([name]) => name === reason)?.[1];
  const failures = isInfra ? infraFailures : (ofReason ?? attemptsUsed);
  const mostMs = Math.min(capMs, firstMs * 2 ** Math.max(0, failures - 1));
  return { leastMs: Math.floor(0.75 * mostMs), mostMs };
}
