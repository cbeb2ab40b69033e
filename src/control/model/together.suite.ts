/** What the model knows of jobs that run after others, and of groups. */
import { isEnded } from '../../domain/job.ts';
import type { Model } from './model.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';

/** Children hear of the ends of their parents, and of the ends which that brings, until nothing changes. */
export function tellChildren(model: Model, nowMs: number): void {
  for (const job of model.jobs) {
    for (const [parent, heard] of job.parents)
      if (heard === undefined && isEnded(parent.state)) job.parents.set(parent, parent.state);
    // Parents stand before their children, so one round tells all.
    if (job.state === 'blocked') settle(model, job, nowMs);
  }
}

function settle(model: Model, job: ModelJob, nowMs: number): void {
  const ends = [...job.parents];
  const bad = ends.filter(([, heard]) => heard === 'failed' || heard === 'cancelled');
  const [first] = bad.sort(([a], [b]) => (a.id < b.id ? -1 : 1));
  if (first !== undefined && job.afterFailed !== 'run') {
    const end = first[1] === 'failed' ? 'failed' : 'cancelled';
    job.reason = job.afterFailed === 'skip' ? 'skipped' : `parent_${end}`;
    model.move(job, job.afterFailed === 'skip' ? 'cancelled' : end, nowMs);
  } else if (ends.every(([, heard]) => heard !== undefined)) {
    const state = job.runAtMs > nowMs ? 'scheduled' : 'pending';
    job.runAtMs = Math.max(job.runAtMs, nowMs);
    model.move(job, state, nowMs);
  }
}

/** All of its jobs have ended. */
export function isGroupFinished(model: Model, group: string): boolean {
  return model.jobs.every((job) => job.group !== group || isEnded(job.state));
}

/** Jobs per group and state. */
export function groupsOf(model: Model): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = {};
  for (const { group, state } of model.jobs) {
    if (group === undefined) continue;
    const count = counts[group] ?? {};
    counts[group] = { ...count, [state]: (count[state] ?? 0) + 1 };
  }
  return counts;
}
