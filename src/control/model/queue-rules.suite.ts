/** What the model knows of queues beyond their order: what becomes of jobs over the limit of a key. */
import { isHeld } from '../../domain/job.ts';
import type { Model } from './model.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';

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
  const newest = 'its key is full: the queue has the key policy cancel_newest';
  const oldest = `job ${job.id} of the same key came: the queue has the key policy cancel_oldest`;
  const reason = keyPolicy === 'cancel_newest' ? newest : oldest;
  for (const each of keyPolicy === 'cancel_newest' ? [job] : surplus)
    model.cancel(each, nowMs, { reason, by: 'queue key policy' });
}
