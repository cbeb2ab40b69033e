/** Steps of the model test: jobs that run after others, and groups of jobs. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type AfterFailed, afterFailedPolicies } from '../../contract/together.ts';
import { isEnded } from '../../domain/job.ts';
import { type ModelJob, noOptions } from './model-parts.suite.ts';
import { queueNames, step } from './pair.suite.ts';
import { acceptNew, bodyOf, type Options, options } from './submit-steps.suite.ts';
import { groupsOf } from './together.suite.ts';
import { registerAnew } from './work-steps.suite.ts';

interface Together {
  readonly given: Options;
  readonly after: readonly number[];
  readonly inputs: readonly number[];
  readonly afterFailed: AfterFailed;
}

const submitAfter = step('submitAfter', async (pair, { given, afterFailed, ...indexes }: Together) => {
  const [named = [], inputs = []] = [indexes.after, indexes.inputs].map((all) => [
    ...new Set(all.flatMap((index) => pair.job(index) ?? [])),
  ]);
  const [afterIds, inputIds] = [named, inputs].map((jobs) => jobs.map(({ id }) => id));
  const body = { ...bodyOf(pair, given), after: afterIds ?? [], inputs: inputIds ?? [], afterFailed };
  const { id } = await pair.control.jobs.submit(body);
  // It runs after its inputs, too.
  acceptNew(pair, id, given, { after: [...new Set([...named, ...inputs])], inputs, afterFailed });
});

const cancelGroup = step('cancelGroup', async (pair, { group }: { group: string }) => {
  const why = { reason: `group of step ${pair.nowMs}`, by: 'another user' };
  const cancelling = pair.control.groups.cancel(group, why.reason, why.by);
  if (groupsOf(pair.model)[group] === undefined) return await pair.refused(cancelling, 'GROUP_NOT_FOUND');
  const { cancelled, stopping, more } = await cancelling;
  const going = pair.model.jobs.filter(
    (each) => each.group === group && !isEnded(each.state) && !each.cancelRequested,
  );
  for (const each of going) pair.model.cancel(each, pair.nowMs, why);
  expect(stopping).toBe(going.filter(({ state }) => state === 'running').length);
  expect({ jobs: cancelled + stopping, more }).toEqual({ jobs: going.length, more: false });
});

/** Two jobs that may be tried again, and one that reads what they leave; the workers have been there before. */
const family = step('family', async (pair, { afterFailed }: { afterFailed: AfterFailed }) => {
  for (const index of pair.model.workers.keys()) await registerAnew(pair, index);
  const given = { ...noOptions, queue: queueNames[0], attemptsMax: 3, priority: 0, delayMs: 0, group: 'a' };
  const inputs: ModelJob[] = [];
  for (const _ of ['one', 'other'])
    inputs.push(acceptNew(pair, (await pair.control.jobs.submit(bodyOf(pair, given))).id, given));
  const body = { ...bodyOf(pair, given), after: [], inputs: inputs.map(({ id }) => id), afterFailed };
  const { id } = await pair.control.jobs.submit(body);
  acceptNew(pair, id, given, { after: inputs, inputs, afterFailed });
});

const after = fc.uniqueArray(fc.nat(5), { maxLength: 2 });
const inputs = fc.oneof(fc.constant([]), fc.uniqueArray(fc.nat(5), { maxLength: 2 }));
const afterFailed = fc.constantFrom(...afterFailedPolicies);

/** The first step of a run with few jobs. */
export const familyStep = fc.record({ afterFailed }).map(family);

/** All steps of this family. */
export const togetherSteps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ given: options, after, inputs, afterFailed }).map(submitAfter) },
  { weight: 1, arbitrary: fc.record({ group: fc.constantFrom('a', 'b') }).map(cancelGroup) },
);
