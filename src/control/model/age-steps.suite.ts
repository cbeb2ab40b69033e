/** Steps of the model test: jobs of different priorities that come minutes apart, and the order in which they go. */
import fc from 'fast-check';
import { passWithWorkers } from './flow-steps.suite.ts';
import { noOptions } from './model-parts.suite.ts';
import { queueNames, step } from './pair.suite.ts';
import { acceptNew, bodyOf } from './submit-steps.suite.ts';

interface Aged {
  readonly priority: number;
  /** Until the next one comes. */
  readonly ms: number;
}

/** All of them wait for the last; then the worker takes them one by one. */
const age = step('age', async (pair, { line, worker }: { line: readonly Aged[]; worker: number }) => {
  for (const { priority, ms } of line) {
    const given = { ...noOptions, queue: queueNames[0], attemptsMax: 1, priority, delayMs: 0 };
    const { id } = await pair.control.jobs.submit(bodyOf(pair, given));
    acceptNew(pair, id, given);
    await passWithWorkers(pair, ms);
    await pair.follow();
  }
  for (const _ of line) await pair.work(worker, 1, []);
});

const minute = 60_000;
const aged = fc.record({
  priority: fc.integer({ min: -3, max: 3 }),
  ms: fc.constantFrom(minute / 2, minute - 1, minute, minute + 1, 2 * minute, 5 * minute),
});

/** All steps of this family. */
export const ageSteps = fc
  .record({ line: fc.array(aged, { minLength: 2, maxLength: 4 }), worker: fc.nat(1) })
  .map(age);
