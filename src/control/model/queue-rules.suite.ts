/** What the model knows of queues beyond their order: what becomes of jobs over the limit of a key, and of turns. */
import { isHeld } from '../../domain/job.ts';
import { byRank, type Model, type ModelJob } from './model.suite.ts';

/** A job has just been submitted: if its key is full, it ends, or so many of the oldest that there is room for it. */
export function applyKeyPolicy(model: Model, job: ModelJob, nowMs: number): void {
  const { keyPolicy, concurrencyMaxPerKey: max } = model.queue(job.queue);
  if (job.key === undefined || job.state !== 'pending' || max === null || keyPolicy === 'wait') return;
  const others = model.jobs.filter(
    (each) =>
      each.queue === job.queue &&
      each.key === job.key &&
      each.order < job.order &&
      (each.state === 'pending' || isHeld(each.state)) &&
      !each.cancelRequested,
  );
  if (others.length < max) return;
  const surplus = others.slice(0, others.length - max + 1);
  for (const each of keyPolicy === 'cancel_newest' ? [job] : surplus) model.cancel(each, nowMs);
}

/** Whether the order of claims depends on turns. */
export function takesTurns(model: Model, queues: readonly string[]): boolean {
  return queues.some((queue) => model.queue(queue).fairBy !== 'none');
}

/**
 * Gives a worker what it was told while queues take turns. Whose turn it was is held elsewhere; here it must be as many
 * as wanted, within the limits, and of each line the best. Gives what is wrong.
 */
export function claimInTurns(model: Model, worker: number, want: number, ids: readonly string[]): string[] {
  const ready = model.ready(worker);
  const queues = groupedBy(ready, ({ queue }) => queue);
  const possible = [...queues].reduce((sum, [queue, jobs]) => sum + roomFor(model, queue, jobs.length), 0);
  const claimed = ready.filter(({ id }) => ids.includes(id));
  const wrong: string[] = [];
  if (ids.length !== claimed.length) wrong.push(`a job that is not ready is among ${ids}`);
  if (ids.length !== Math.min(want, possible)) wrong.push(`of ${possible}, ${ids.length} and not ${want}`);
  for (const [queue, jobs] of queues) {
    const taken = jobs.filter((job) => claimed.includes(job)).length;
    if (taken > roomFor(model, queue, jobs.length)) wrong.push(`${queue} gave ${taken}`);
  }
  for (const [line, jobs] of groupedBy(ready, (job) => lineOf(model, job))) {
    const taken = jobs.filter((job) => claimed.includes(job));
    const best = [...jobs].sort(byRank).slice(0, taken.length);
    if (!best.every((job) => taken.includes(job))) wrong.push(`line ${line} gave not its best`);
  }
  model.give(worker, claimed);
  return wrong;
}

function roomFor(model: Model, queue: string, jobs: number): number {
  return Math.max(0, Math.min(jobs, model.roomIn(queue)));
}

function lineOf(model: Model, { queue, tenant, key }: ModelJob): string {
  const { fairBy } = model.queue(queue);
  return `${queue} ${fairBy === 'tenant' ? tenant : fairBy === 'key' ? (key ?? '') : ''}`;
}

function groupedBy(jobs: readonly ModelJob[], nameOf: (job: ModelJob) => string): Map<string, ModelJob[]> {
  const groups = new Map<string, ModelJob[]>();
  for (const job of jobs) groups.set(nameOf(job), [...(groups.get(nameOf(job)) ?? []), job]);
  return groups;
}
