/** Steps of the model test: submits with all their options, batches, and submits that are sent again. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import type { UniquePolicy } from '../../contract/submit-options.ts';
import { defaults } from '../../domain/defaults.ts';
import { trueJob } from '../control.suite.ts';
import { submitAnswered } from './answer-steps.suite.ts';
import { type ModelJob, type NewModelJob, noOptions } from './model-parts.suite.ts';
import { type Pair, queueNames, step } from './pair.suite.ts';
import { applyKeyPolicy } from './queue-rules.suite.ts';

const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(values, { nil: undefined, freq: 2 });
/** Of a job. */
export const options = fc.record({
  queue: fc.constantFrom(...queueNames),
  attemptsMax: fc.integer({ min: 1, max: 3 }),
  priority: fc.integer({ min: -1, max: 1 }),
  delayMs: fc.constantFrom<number>(0, 0, 0, 5_000),
  expireInMs: maybe(fc.constantFrom(800, 12_000)),
  key: maybe(fc.constantFrom('a', 'b')),
  tenant: fc.constantFrom(defaults.tenant, 't'),
  group: maybe(fc.constantFrom('a', 'b')),
  retry: maybe(fc.constant({ oom: { attemptsMax: 2, memoryFactor: 2 }, timeout: { attemptsMax: 1 } })),
});
/** What a job is submitted with, as its user says it. */
export type Options = Omit<
  NewModelJob,
  'id' | 'runAtMs' | 'uniqueKey' | 'idempotencyKey' | 'after' | 'inputs' | 'afterFailed'
> & {
  readonly delayMs: number;
};

const submit = step('submit', async (pair, given: Options) => {
  await submitNew(pair, bodyOf(pair, given), given);
});

const submitBatch = step('submitBatch', async (pair, { all }: { all: Options[] }) => {
  const bodies = all.map((given) => bodyOf(pair, given));
  const jobs = await pair.control.jobs.submitAll(bodies);
  for (const [index, given] of all.entries()) acceptNew(pair, bodies[index]?.id ?? '', given);
  // Sent again because its answer was lost: the same jobs, and no others.
  const again = await pair.control.jobs.submitAll(bodies);
  expect(again.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
});

const submitAgain = step('submitAgain', async (pair, { job: index }: { job: number }) => {
  const job = pair.job(index);
  if (job === undefined) return;
  const { spec } = await pair.control.queries.get(job.id);
  const { stdinBase64: _stdin, ...body } = spec;
  expect((await pair.control.jobs.submit({ ...body, id: job.id })).id).toBe(job.id);
  await pair.refused(pair.control.jobs.submit({ ...trueJob, id: job.id, cwd: '/else' }), 'JOB_ID_CONFLICT');
});

const submitIdempotent = step(
  'submitIdempotent',
  async (pair, { key, cwd }: { key: string; cwd: string }) => {
    const before = pair.model.jobs.find(({ idempotencyKey }) => idempotencyKey === key);
    const body = { ...trueJob, cwd, id: pair.control.ids() };
    const submitting = pair.control.jobs.submit(body, key);
    if (before === undefined) {
      const given = { ...noOptions, queue: 'default', attemptsMax: 1, priority: 0, delayMs: 0 };
      acceptNew(pair, (await submitting).id, given, { idempotencyKey: key });
    } else if ((await pair.control.queries.get(before.id)).spec.cwd === cwd) {
      expect((await submitting).id).toBe(before.id);
    } else await pair.refused(submitting, 'IDEMPOTENCY_CONFLICT');
  },
);

const submitUnique = step(
  'submitUnique',
  async (pair, { given, policy, keyed }: { given: Options; policy: UniquePolicy; keyed: boolean }) => {
    const body = { ...bodyOf(pair, given), unique: { key: 'u', policy } };
    const holder = pair.model.holderOf(given.queue, 'u');
    if (holder === undefined) return await submitNew(pair, body, given);
    const key = keyed ? `key-of-${body.id}` : undefined;
    const submitting = pair.control.jobs.submit(body, key);
    const answer = { body, key, job: holder };
    if (policy === 'existing') {
      expect((await submitting).id).toBe(holder.id);
      pair.model.answers.push(answer);
    } else if (policy === 'reject' || holder.holder !== undefined)
      await pair.refused(submitting, 'UNIQUE_CONFLICT');
    else if (policy === 'replace') {
      const why = { reason: `replaced by job ${body.id}`, by: 'unique policy' };
      pair.model.cancel(holder, pair.nowMs, why);
      acceptNew(pair, (await submitting).id, given, { uniqueKey: 'u' });
    } else {
      expect((await submitting).id).toBe(holder.id);
      pair.model.answers.push(answer);
      const runAtMs = pair.nowMs + given.delayMs;
      if (holder.expiresAtMs !== null) holder.expiresAtMs = runAtMs + (holder.expireInMs ?? 0);
      holder.runAtMs = runAtMs;
      const state = given.delayMs > 0 ? 'scheduled' : 'pending';
      if (state !== holder.state) pair.model.move(holder, state, pair.nowMs);
    }
  },
);

/** A submission of these options, with an id. */
export function bodyOf(pair: Pair, given: Options): SubmitJob & { id: string } {
  const { key, delayMs, expireInMs, group, retry, ...rest } = given;
  return {
    ...trueJob,
    ...rest,
    id: pair.control.ids(),
    ...(delayMs > 0 && { delayMs }),
    ...(expireInMs !== undefined && { expireInMs }),
    ...(key !== undefined && { concurrencyKey: key }),
    ...(group !== undefined && { group }),
    ...(retry !== undefined && { retry }),
  };
}

async function submitNew(pair: Pair, body: SubmitJob & { id: string }, given: Options): Promise<void> {
  const job = await pair.control.jobs.submit(body);
  expect(job.id).toBe(body.id);
  acceptNew(pair, job.id, given, { uniqueKey: body.unique?.key });
}

/** The model takes a job that the commands have taken. */
export function acceptNew(
  pair: Pair,
  id: string,
  { delayMs, ...given }: Options,
  more: Partial<NewModelJob> = {},
): ModelJob {
  const { model, nowMs } = pair;
  const job = model.submit({ ...noOptions, ...given, ...more, id, runAtMs: nowMs + delayMs }, nowMs);
  applyKeyPolicy(model, job, nowMs);
  return job;
}

/** All steps of this family. */
export const submitSteps = fc.oneof(
  { weight: 5, arbitrary: options.map(submit) },
  {
    weight: 1,
    arbitrary: fc.record({ all: fc.array(options, { minLength: 1, maxLength: 3 }) }).map(submitBatch),
  },
  { weight: 1, arbitrary: fc.record({ job: fc.nat(5) }).map(submitAgain) },
  {
    weight: 1,
    arbitrary: fc
      .record({ key: fc.constantFrom('k1', 'k2'), cwd: fc.constantFrom('/root', '/tmp') })
      .map(submitIdempotent),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        given: options,
        policy: fc.constantFrom('reject', 'existing', 'replace', 'debounce'),
        keyed: fc.boolean(),
      })
      .map(submitUnique),
  },
  { weight: 2, arbitrary: fc.record({ answer: fc.nat(3) }).map(submitAnswered) },
);
