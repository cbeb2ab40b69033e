/** Steps of the model test: jobs that run after others, and groups of jobs. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type AfterFailed, afterFailedPolicies } from '../../contract/together.ts';
import { isEnded } from '../../domain/job.ts';
import { step } from './pair.suite.ts';
import { acceptNew, bodyOf, type Options, options } from './submit-steps.suite.ts';
import { groupsOf } from './together.suite.ts';

interface Together {
  readonly given: Options;
  readonly after: readonly number[];
  readonly afterFailed: AfterFailed;
}

const submitAfter = step('submitAfter', async (pair, { given, after: indexes, afterFailed }: Together) => {
  const after = indexes.flatMap((index) => pair.job(index) ?? []);
  const body = { ...bodyOf(pair, given), after: after.map(({ id }) => id), afterFailed };
  const { id } = await pair.control.jobs.submit(body);
  acceptNew(pair, id, given, { after, afterFailed });
});

const cancelGroup = step('cancelGroup', async (pair, { group }: { group: string }) => {
  const cancelling = pair.control.groups.cancel(group);
  if (groupsOf(pair.model)[group] === undefined) return await pair.refused(cancelling, 'GROUP_NOT_FOUND');
  const { cancelled, stopping } = await cancelling;
  const going = pair.model.jobs.filter(
    (each) => each.group === group && !isEnded(each.state) && !each.cancelRequested,
  );
  for (const each of going) pair.model.cancel(each, pair.nowMs);
  expect(stopping).toBe(going.filter(({ state }) => state === 'running').length);
  expect(cancelled + stopping).toBe(going.length);
});

const after = fc.uniqueArray(fc.nat(5), { maxLength: 2 });
const afterFailed = fc.constantFrom(...afterFailedPolicies);

/** All steps of this family. */
export const togetherSteps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ given: options, after, afterFailed }).map(submitAfter) },
  { weight: 1, arbitrary: fc.record({ group: fc.constantFrom('a', 'b') }).map(cancelGroup) },
);
