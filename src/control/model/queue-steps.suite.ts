/** Steps of the model test: what users do to queues, and what is forgotten because of how they are set. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type FairBy, fairBys, keyPolicies, type QueueSettings } from '../../contract/queue.ts';
import { defaults } from '../../domain/defaults.ts';
import { isBlixardError } from '../../domain/errors.ts';
import { endedStates, isEnded } from '../../domain/job.ts';
import { type ModelJob, unsetQueue } from './model-parts.suite.ts';
import { queueNames, step } from './pair.suite.ts';

interface OfQueue {
  readonly queue: string;
}

const pause = step('pause', async (pair, { queue, paused }: OfQueue & { paused: boolean }) => {
  await (paused ? pair.control.queues.pause(queue) : pair.control.queues.resume(queue));
  pair.model.queue(queue).paused = paused;
});

/** All settings of a queue, or some of them, the others as they are. */
const set = step('set', async (pair, { queue, ...given }: OfQueue & Partial<QueueSettings>) => {
  const { paused: _paused, ...before } = pair.model.queue(queue);
  const settings: QueueSettings = { ...before, ...given };
  const setting = pair.control.queues.set(queue, settings);
  if (settings.rateLimitPerKey !== null && settings.fairBy === 'tenant')
    return await pair.refused(setting, 'VALIDATION_FAILED');
  await setting;
  pair.model.set(queue, settings, pair.nowMs);
  // The first call after it may claim from other queues only; it learns that this one takes turns.
  for (const index of pair.model.workers.keys()) await pair.work(index, 0, []);
});

const remove = step('delete', async (pair, { queue }: OfQueue) => {
  const { model } = pair;
  const isUsed =
    model.schedule?.settings.queue === queue ||
    model.jobs.some((job) => job.queue === queue && !isEnded(job.state));
  const deleting = pair.control.queues.delete(queue);
  if (isUsed) return await pair.refused(deleting, 'QUEUE_IN_USE');
  try {
    expect((await deleting).name).toBe(queue);
  } catch (error) {
    // It was never set, and never had a job.
    if (!isBlixardError(error, 'QUEUE_NOT_FOUND')) throw error;
    expect(model.jobs.filter((job) => job.queue === queue)).toEqual([]);
  }
  const { paused, ...settings } = unsetQueue();
  model.set(queue, settings, pair.nowMs);
  model.queue(queue).paused = paused;
});

interface Redrive extends OfQueue {
  readonly max: number;
  readonly reason: 'exit' | 'timeout' | undefined;
}

const redrive = step('redrive', async (pair, { queue, max, reason }: Redrive) => {
  const failed = pair.model.jobs.filter(
    (job) => job.queue === queue && job.state === 'failed' && (reason ?? job.reason) === job.reason,
  );
  // One whose unique key another has by now stays as it is, and those behind it have its turn.
  const free: ModelJob[] = [];
  for (const job of failed) {
    const isTaken = pair.model.holderOf(queue, job.uniqueKey) !== undefined;
    const isSecond = job.uniqueKey !== undefined && free.some(({ uniqueKey }) => uniqueKey === job.uniqueKey);
    if (!isTaken && !isSecond) free.push(job);
  }
  const body = { limit: max, ...(reason !== undefined && { reason }) };
  const { redriven, more } = await pair.control.queues.redrive(queue, body);
  expect({ redriven, more }).toEqual({ redriven: Math.min(max, free.length), more: free.length > max });
  for (const job of free.slice(0, max)) pair.model.revive(job, pair.nowMs, 0);
});

interface Purge extends OfQueue {
  readonly states: readonly (typeof endedStates)[number][];
  readonly olderThanMs: number;
  readonly limit: number;
}

const purge = step('purge', async (pair, { queue, states, olderThanMs, limit }: Purge) => {
  const old = states.flatMap((state) =>
    pair.model
      .endedIn(queue, state)
      .filter(({ endedAtMs }) => endedAtMs !== null && endedAtMs <= pair.nowMs - olderThanMs),
  );
  const gone = old.slice(0, limit);
  const body = { states: [...states], olderThanMs, limit };
  const { purged, more } = await pair.control.forget.purge(queue, body);
  expect({ purged, more }).toEqual({ purged: gone.length, more: old.length > limit });
  pair.model.forget(gone);
});

/** What the forgetter does when it looks. */
const forgetDue = step('forgetDue', async (pair) => {
  const nextMs = await pair.control.forget.forgetDue();
  const due = pair.model.jobs.filter((job) => pair.model.keptUntilMs(job) <= pair.nowMs);
  pair.model.forget(due);
  const next = Math.min(...pair.model.jobs.map((job) => pair.model.keptUntilMs(job)));
  // Events are kept for a time of their own.
  expect(nextMs).toBeLessThanOrEqual(next);
  if (due.length > 0)
    expect(pair.control.logs.removed).toEqual(expect.arrayContaining(due.map(({ id }) => id)));
});

const ofQueue = { queue: fc.constantFrom(...queueNames) };
const most = fc.constantFrom(null, 1, 2);
const keepMs = fc.constantFrom(null, 0, 5_000, defaults.retainFailedMs);
const turns = {
  keyPolicy: fc.constantFrom(...keyPolicies),
  fairBy: fc.constantFrom<FairBy>('none', ...fairBys),
  weights: fc.constantFrom<Record<string, number>>({}, { a: 3 }, { t: 7, a: 2 }),
};
const retention = fc.record({ completedMs: keepMs, failedMs: keepMs, cancelledMs: keepMs });
const rate = fc.constantFrom({ max: 1, perMs: 7 }, { max: 6, perMs: 900 }, { max: 5, perMs: 5_000 });

const none = fc.constant(null);
const rates = { rateLimit: fc.option(rate), rateLimitPerKey: fc.option(rate) };
const limits = { concurrencyMax: most, concurrencyMaxPerKey: most };
const setAll = fc.record({
  ...ofQueue,
  ...limits,
  ...turns,
  rateLimit: none,
  rateLimitPerKey: none,
  retention,
});
/** One thing at a time. */
const setOne = fc.oneof(
  ...Object.entries({ ...limits, ...turns, ...rates, retention }).map(([name, values]) => ({
    weight: name.startsWith('rate') ? 3 : 1,
    arbitrary: fc.record({ ...ofQueue, [name]: values }),
  })),
);

const first = { queue: fc.constant(queueNames[0]), weights: turns.weights };
/** The first queue takes turns, or has a rate, or both. */
export const shapedSetting = fc
  .record({ ...first, fairBy: turns.fairBy, rateLimit: rates.rateLimit })
  .map(set);
/** Each key of the first queue has a rate. */
export const keyedSetting = fc
  .record({ ...first, rateLimit: rates.rateLimit, rateLimitPerKey: rate })
  .map(set);

/** Queues get turns and rates, and lose them. */
export const settingSteps = fc.oneof(
  { weight: 5, arbitrary: setOne.map(set) },
  { weight: 1, arbitrary: setAll.map(set) },
  { weight: 1, arbitrary: fc.record({ ...ofQueue, paused: fc.boolean() }).map(pause) },
);

/** All steps of this family. */
export const queueSteps = fc.oneof(
  { weight: 1, arbitrary: fc.record({ ...ofQueue, paused: fc.boolean() }).map(pause) },
  { weight: 2, arbitrary: setAll.map(set) },
  { weight: 1, arbitrary: setOne.map(set) },
  { weight: 1, arbitrary: fc.record(ofQueue).map(remove) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        ...ofQueue,
        max: fc.integer({ min: 1, max: 3 }),
        reason: fc.constantFrom(undefined, undefined, 'exit', 'timeout'),
      })
      .map(redrive),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        ...ofQueue,
        states: fc.uniqueArray(fc.constantFrom(...endedStates), { minLength: 1 }),
        olderThanMs: fc.constantFrom(0, 0, 5_000),
        limit: fc.integer({ min: 1, max: 4 }),
      })
      .map(purge),
  },
  { weight: 3, arbitrary: fc.constant({}).map(forgetDue) },
);
