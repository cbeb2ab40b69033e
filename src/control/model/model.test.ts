import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { openControl } from '../control.suite.ts';
import { Pair, type Step } from './pair.suite.ts';
import { submitSteps } from './submit-steps.suite.ts';
import { togetherSteps } from './together-steps.suite.ts';
import { userSteps } from './user-steps.suite.ts';
import { workerCount, workSteps } from './work-steps.suite.ts';

const long = process.env['BLIXARD_TEST_LONG'] === '1';

/** A new family of commands is a new file and a line here. */
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: submitSteps },
  { weight: 2, arbitrary: togetherSteps },
  { weight: 8, arbitrary: workSteps },
  { weight: 5, arbitrary: userSteps },
);

describe('commands', () => {
  it('do what the model does, and keep the invariants, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 60, size: 'max' }), async (steps) => {
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
      }),
      { numRuns: long ? 2_000 : 100 },
    );
  }, 1_200_000);
});
