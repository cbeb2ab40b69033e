/** Steps of the model test: what users do to jobs that are there, and what time does. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { defaults } from '../../domain/defaults.ts';
import { isEnded } from '../../domain/job.ts';
import { step } from './pair.suite.ts';

interface OfJob {
  readonly job: number;
}

const cancel = step('cancel', async (pair, { job: index, runs }: OfJob & { runs: boolean }) => {
  const running = pair.model.jobs.find(({ state }) => state === 'running');
  const target = runs && running !== undefined ? running : pair.job(index);
  if (target === undefined) return;
  const why = { reason: `step ${pair.nowMs}`, by: 'a user' };
  const cancelling = pair.control.jobs.cancel(target.id, why.reason, why.by);
  if (!pair.model.cancel(target, pair.nowMs, why) && target.state !== 'cancelled')
    return await pair.refused(cancelling, 'JOB_INVALID_TRANSITION');
  const { cancelReason: reason, cancelledBy: by } = await cancelling;
  expect({ reason, by }).toEqual(target.cancelWhy);
  // Who asked first, and why, stands.
  const { cancelReason, cancelledBy } = await pair.control.jobs.cancel(target.id, 'again', 'another user');
  expect({ reason: cancelReason, by: cancelledBy }).toEqual(target.cancelWhy);
});

const retry = step('retry', async (pair, { job: index, delayMs }: OfJob & { delayMs: number }) => {
  const target = pair.job(index);
  if (target === undefined) return;
  const retried = pair.control.jobs.retry(target.id, delayMs);
  if (target.state !== 'failed' && target.state !== 'cancelled')
    return await pair.refused(retried, 'JOB_INVALID_TRANSITION');
  if (pair.model.holderOf(target.queue, target.uniqueKey) !== undefined)
    return await pair.refused(retried, 'UNIQUE_CONFLICT');
  await retried;
  pair.model.revive(target, pair.nowMs, delayMs);
});

const forget = step('forget', async (pair, { job: index }: OfJob) => {
  const target = pair.job(index);
  if (target === undefined) return;
  const removed = pair.control.forget.remove(target.id);
  if (!isEnded(target.state)) return await pair.refused(removed, 'JOB_NOT_ENDED');
  await removed;
  pair.model.forget([target]);
  expect(pair.control.logs.removed).toContain(target.id);
});

const pass = step('pass', async (pair, { ms }: { ms: number }) => {
  pair.control.clock.advance(ms);
  await pair.control.scheduler.tick();
  pair.model.tick(pair.nowMs);
  for (const [index, known] of pair.model.workers.entries()) {
    if (known.state === 'offline' || known.leaseUntilMs > pair.nowMs) continue;
    known.state = 'offline';
    pair.model.loseHeld(index, pair.nowMs);
  }
});

const ofJob = { job: fc.nat(7) };

/** What has ended is forgotten. */
export const forgetSteps = fc.record(ofJob).map(forget);

/** All steps of this family. */
export const userSteps = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ...ofJob, runs: fc.boolean() }).map(cancel) },
  { weight: 3, arbitrary: fc.record({ ...ofJob, delayMs: fc.constantFrom(0, 5_000) }).map(retry) },
  { weight: 1, arbitrary: forgetSteps },
  { weight: 5, arbitrary: fc.record({ ms: fc.constantFrom(1_000, 5_000, defaults.leaseMs) }).map(pass) },
);
