import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { openControl } from '../control.suite.ts';
import { flowSteps } from './flow-steps.suite.ts';
import { Pair, type Step } from './pair.suite.ts';
import { keyedSetting, queueSteps, settingSteps, shapedSetting } from './queue-steps.suite.ts';
import { scheduleSteps } from './schedule-steps.suite.ts';
import { submitSteps } from './submit-steps.suite.ts';
import { tellSteps } from './tell-steps.suite.ts';
import { togetherSteps } from './together-steps.suite.ts';
import { userSteps } from './user-steps.suite.ts';
import { workerCount, workSteps } from './work-steps.suite.ts';

const long = process.env['BLIXARD_TEST_LONG'] === '1';

/** A new family of commands is a new file and a line here. */
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: submitSteps },
  { weight: 4, arbitrary: togetherSteps },
  { weight: 16, arbitrary: workSteps },
  { weight: 7, arbitrary: userSteps },
  { weight: 4, arbitrary: queueSteps },
  { weight: 3, arbitrary: scheduleSteps },
  { weight: 2, arbitrary: tellSteps },
);
/** Backlogs, turns and rates, which so few jobs of each kind would seldom meet. */
const backlogs = fc.oneof(
  runOf(shapedSetting, [
    { weight: 12, arbitrary: flowSteps(false) },
    { weight: 3, arbitrary: settingSteps },
    { weight: 2, arbitrary: submitSteps },
    { weight: 2, arbitrary: workSteps },
    { weight: 1, arbitrary: userSteps },
    { weight: 2, arbitrary: tellSteps },
  ]),
  runOf(keyedSetting, [
    { weight: 12, arbitrary: flowSteps(true) },
    { weight: 1, arbitrary: settingSteps },
    { weight: 1, arbitrary: tellSteps },
  ]),
);

function runOf(
  first: fc.Arbitrary<Step>,
  others: readonly fc.WeightedArbitrary<Step>[],
): fc.Arbitrary<readonly Step[]> {
  const rest = fc.array(fc.oneof(...others), { maxLength: 40, size: 'max' });
  return fc.tuple(first, rest).map(([one, more]) => [one, ...more]);
}

/** Does the steps, one after the other, to the commands and to the model. */
async function takeAll(steps: readonly Step[]): Promise<void> {
  const control = await openControl();
  try {
    const pair = new Pair(control);
    for (let index = 0; index < workerCount; index++) await pair.join();
    for (const step of steps) {
      // A key policy looks at the time to tell a new job from one that is sent again.
      control.clock.advance(1);
      await step.take(pair);
      await pair.follow();
      await pair.compare();
    }
    expect(await checkInvariants(control.db)).toEqual([]);
  } finally {
    await control.close();
  }
}

describe('commands', () => {
  it('do what the model does, and keep the invariants, in any order', async () => {
    await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 60, size: 'max' }), takeAll), {
      numRuns: long ? 2_000 : 100,
    });
  }, 1_200_000);

  it('give as many jobs as limits and rates allow, and to each line its share', async () => {
    await fc.assert(fc.asyncProperty(backlogs, takeAll), { numRuns: long ? 2_000 : 50 });
  }, 1_200_000);
});
