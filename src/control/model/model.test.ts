import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { openControl } from '../control.suite.ts';
import { ageSteps } from './age-steps.suite.ts';
import { attemptSteps, lifeSteps } from './attempt-steps.suite.ts';
import { flowSteps } from './flow-steps.suite.ts';
import { hookSetting, hookSteps } from './hook-steps.suite.ts';
import { lookAtAll } from './look.suite.ts';
import { Pair, type Step } from './pair.suite.ts';
import { keyedSetting, queueSteps, settingSteps, shapedSetting } from './queue-steps.suite.ts';
import { dailySteps, scheduleSteps, travelStep } from './schedule-steps.suite.ts';
import { submitSteps } from './submit-steps.suite.ts';
import { compareCounts, tellSteps } from './tell-steps.suite.ts';
import { familyStep, togetherSteps } from './together-steps.suite.ts';
import { forgetSteps, userSteps } from './user-steps.suite.ts';
import { waitSteps } from './wait-steps.suite.ts';
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
  { weight: 2, arbitrary: attemptSteps },
  { weight: 2, arbitrary: waitSteps },
  { weight: 1, arbitrary: ageSteps },
);
/** Few jobs, of which much is told and asked, attempt after attempt. */
const tellings = runOf(
  familyStep,
  [
    { weight: 6, arbitrary: lifeSteps },
    { weight: 6, arbitrary: attemptSteps },
    { weight: 1, arbitrary: workSteps },
    { weight: 4, arbitrary: userSteps },
    { weight: 1, arbitrary: forgetSteps },
    { weight: 2, arbitrary: waitSteps },
  ],
  40,
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
/** A day or two around a change of the clocks somewhere, with one schedule. */
const days = runOf(
  travelStep,
  [
    { weight: 4, arbitrary: dailySteps },
    { weight: 1, arbitrary: workSteps },
  ],
  10,
);
/** A webhook from the first step on. */
const hooked = runOf(
  hookSetting,
  [
    { weight: 3, arbitrary: hookSteps },
    { weight: 3, arbitrary: submitSteps },
    { weight: 4, arbitrary: workSteps },
    { weight: 2, arbitrary: userSteps },
    { weight: 1, arbitrary: togetherSteps },
  ],
  30,
);

function runOf(
  first: fc.Arbitrary<Step>,
  others: readonly fc.WeightedArbitrary<Step>[],
  maxLength = 40,
): fc.Arbitrary<readonly Step[]> {
  const rest = fc.array(fc.oneof(...others), { maxLength, size: 'max' });
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
    await pair.waits.end(control.clock.nowMs());
    await lookAtAll(pair);
    await compareCounts(pair);
    await pair.hooks?.end();
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

  it('show what attempts tell, to children too, and end a wait with what it waits for', async () => {
    await fc.assert(fc.asyncProperty(tellings, takeAll), { numRuns: long ? 2_000 : 25 });
  }, 1_200_000);

  it('give as many jobs as limits and rates allow, and to each line its share', async () => {
    await fc.assert(fc.asyncProperty(backlogs, takeAll), { numRuns: long ? 2_000 : 50 });
  }, 1_200_000);

  it('fire a schedule once a day, also when its clocks change', async () => {
    await fc.assert(fc.asyncProperty(days, takeAll), { numRuns: long ? 1_000 : 10 });
  }, 1_200_000);

  it('send to a webhook all that is due to it, in order, and log each try', async () => {
    await fc.assert(fc.asyncProperty(hooked, takeAll), { numRuns: long ? 1_000 : 15 });
  }, 1_200_000);
});
