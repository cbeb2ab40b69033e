/** Steps of the model test: what is told of queues and jobs: counts, searches page by page, why a job waits. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { defaults } from '../../domain/defaults.ts';
import { isHeld, type JobState, jobMachine } from '../../domain/job.ts';
import type { Model } from './model.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';
import { type Pair, queueNames, step } from './pair.suite.ts';

/** A test worker has so many. */
const slots = 4;

/** The counts that the writes keep, and the settings, of all queues. */
export async function compareCounts(pair: Pair): Promise<void> {
  const { queues } = await pair.control.queueQueries.list();
  for (const { name, counts: told, updatedAtMs: _at, ...settings } of queues) {
    expect(told).toEqual(countsOf(pair.model, name));
    expect(settings).toEqual(pair.model.queue(name));
  }
  const jobs = queues.reduce(
    (sum, { counts: told }) => sum + Object.values(told).reduce((a, b) => a + b, 0),
    0,
  );
  expect(jobs).toBe(pair.model.jobs.length);
}

const counts = step('counts', (pair) => compareCounts(pair));

function countsOf(model: Model, queue: string): Partial<Record<JobState, number>> {
  const found: Partial<Record<JobState, number>> = {};
  for (const job of model.jobs) if (job.queue === queue) found[job.state] = (found[job.state] ?? 0) + 1;
  return found;
}

interface Search {
  readonly queue: string | undefined;
  readonly state: JobState | undefined;
  readonly tenant: string | undefined;
  readonly group: string | undefined;
  readonly limit: number;
}

const search = step('search', async (pair, { limit, ...asked }: Search) => {
  const filters = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const found: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await pair.control.queries.list({
      ...filters,
      limit,
      ...(cursor !== undefined && { cursor }),
    });
    expect(page.jobs.length).toBeLessThanOrEqual(limit);
    found.push(...page.jobs.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  const wanted = pair.model.jobs.filter((job) =>
    Object.entries(filters).every(([name, value]) => job[name as keyof typeof asked] === value),
  );
  expect(found).toEqual(wanted.map(({ id }) => id).reverse());
});

const why = step('why', async (pair, { state, index }: { state: 'pending' | 'blocked'; index: number }) => {
  const job = pair.model.jobs.filter((each) => each.state === state).at(index);
  if (job === undefined) return;
  const { waiting } = await pair.control.queries.get(job.id);
  const expected = whyWaits(pair.model, job);
  if (expected === null) expect(waiting).toBeNull();
  else expect(waiting).toMatch(expected);
});

/** What is told first of all that holds a job back. */
function whyWaits(model: Model, job: ModelJob): RegExp | null {
  const { queue, key } = job;
  if (job.state === 'blocked') return /^It runs after /;
  const { paused, concurrencyMax } = model.queue(queue);
  if (paused) return /is paused/;
  if (job.waits) return new RegExp(`of the jobs with the key ${key} at once`);
  const held = model.jobs.filter((each) => each.queue === queue && isHeld(each.state)).length;
  if (concurrencyMax !== null && held >= concurrencyMax) return /of its jobs at once/;
  if (model.rates.isClosed(queue)) return /starts at most \d of its jobs in .*; the next may start at /;
  if (key !== undefined && model.rates.isClosed(queue, key))
    return new RegExp(`starts at most \\d of the jobs with the key ${key} in `);
  const online = [...model.workers.entries()].filter(([, worker]) => worker.state === 'online');
  if (online.length === 0) return /^No worker is online; /;
  return online.every(([index]) => model.heldBy(index).length >= slots) ? /have no free slot/ : null;
}

const some = <T>(...values: readonly T[]): fc.Arbitrary<T | undefined> =>
  fc.constantFrom(undefined, ...values);

/** All steps of this family. */
export const tellSteps = fc.oneof(
  { weight: 1, arbitrary: fc.constant({}).map(counts) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        queue: some(...queueNames),
        state: some(...jobMachine.states),
        tenant: some(defaults.tenant, 't'),
        group: some('a', 'b'),
        limit: fc.constantFrom(1, 3, 50),
      })
      .map(search),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        state: fc.constantFrom('pending', 'pending', 'blocked'),
        index: fc.integer({ min: -3, max: 2 }),
      })
      .map(why),
  },
);
