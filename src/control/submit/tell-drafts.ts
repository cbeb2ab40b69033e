/** Tells the rest of the process of jobs that are being stored. */
import { countReady, type ReadyCount, type ReadyJobs } from '../moved.ts';
import type { Signals } from '../signals.ts';
import type { Draft } from './draft.ts';

/** Wakes workers, right after the write was handed to the store: a waiting claim then rides in the same commit. */
export function tellReady(signals: Signals, drafts: readonly Draft[]): void {
  const [first] = drafts;
  if (first !== undefined && drafts.length === 1) {
    if (first.job.state === 'pending') signals.ready(first.job.queue, first.job.executor);
    return;
  }
  const ready: ReadyJobs = new Map();
  let last: ReadyCount | undefined;
  for (const { job } of drafts) {
    if (job.state !== 'pending') continue;
    if (last !== undefined && last.queue === job.queue && last.executor === job.executor) last.jobs++;
    else last = countReady(ready, job.queue, job.executor);
  }
  for (const { queue, executor, jobs } of ready.values()) signals.ready(queue, executor, jobs);
}

/** Tells the scheduler the next of their times, after the commit: a look before it would not find them. */
export function tellTimes(signals: Signals, drafts: readonly Draft[]): void {
  let atMs = Number.POSITIVE_INFINITY;
  for (const { job } of drafts) {
    if (job.state === 'scheduled') atMs = Math.min(atMs, job.runAtMs);
    atMs = Math.min(atMs, job.expiresAtMs ?? Number.POSITIVE_INFINITY);
  }
  if (atMs < Number.POSITIVE_INFINITY) signals.due(atMs);
}
