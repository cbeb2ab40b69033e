/** Steps of the model test: users wait for the end of jobs and groups, and ask how a group is. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { isEnded } from '../../domain/job.ts';
import { passWithWorkers } from './flow-steps.suite.ts';
import { type Pair, step } from './pair.suite.ts';
import { groupsOf, isGroupFinished } from './together.suite.ts';

interface ForMs {
  readonly waitMs: number;
}

const waitForJob = step('waitForJob', async (pair, { job: index, waitMs }: { job: number } & ForMs) => {
  const job = pair.job(index);
  if (job === undefined) return;
  const { queries } = pair.control;
  const awaited = {
    what: job.id,
    hasEnded: () => isEnded(job.state),
    wait: async (ms: number, signal: AbortSignal) =>
      isEnded((await queries.waitEnded(job.id, ms, signal)).state),
  };
  pair.waits.begin(awaited, pair.nowMs, waitMs);
});

const waitForGroup = step('waitForGroup', (pair, { group, waitMs }: { group: string } & ForMs) =>
  beginGroupWait(pair, group, waitMs),
);

async function beginGroupWait(pair: Pair, group: string, waitMs: number): Promise<void> {
  const { control, model } = pair;
  if (groupsOf(model)[group] === undefined)
    return await pair.refused(
      control.groups.waitFinished(group, waitMs, new AbortController().signal),
      'GROUP_NOT_FOUND',
    );
  const awaited = {
    what: `group ${group}`,
    hasEnded: () => isGroupFinished(model, group),
    wait: async (ms: number, signal: AbortSignal) =>
      (await control.groups.waitFinished(group, ms, signal)).finished,
  };
  pair.waits.begin(awaited, pair.nowMs, waitMs);
}

const leave = step('leave', async (pair) => pair.waits.leave());

/** Its time is over exactly now, or in a moment. */
const waitOut = step('waitOut', async (pair, { earlyMs }: { earlyMs: number }) => {
  const { nextMs } = pair.waits;
  if (nextMs !== undefined && nextMs - earlyMs > pair.nowMs)
    await passWithWorkers(pair, nextMs - earlyMs - pair.nowMs);
});

/** What of a group goes on is cancelled, one job after the other, while somebody waits for it. */
const cancelEach = step('cancelEach', async (pair, { group }: { group: string }) => {
  const why = { reason: `one of step ${pair.nowMs}`, by: 'a third user' };
  await beginGroupWait(pair, group, 600_000);
  const going = pair.model.jobs.filter((job) => job.group === group && !isEnded(job.state));
  for (const job of going) {
    await pair.control.jobs.cancel(job.id, why.reason, why.by);
    pair.model.cancel(job, pair.nowMs, why);
  }
});

const getGroup = step('getGroup', async (pair, { group }: { group: string }) => {
  const getting = pair.control.groups.get(group);
  const counts = groupsOf(pair.model)[group];
  if (counts === undefined) return await pair.refused(getting, 'GROUP_NOT_FOUND');
  const finished = isGroupFinished(pair.model, group);
  expect(await getting).toMatchObject({ name: group, counts, finished });
});

const group = fc.constantFrom('a', 'b');
const waitMs = fc.constantFrom(0, 4_000, 600_000, 600_000);

/** All steps of this family. */
export const waitSteps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ group, waitMs }).map(waitForGroup) },
  { weight: 3, arbitrary: fc.record({ job: fc.nat(5), waitMs }).map(waitForJob) },
  { weight: 1, arbitrary: fc.constant({}).map(leave) },
  { weight: 2, arbitrary: fc.record({ earlyMs: fc.constantFrom(0, 1) }).map(waitOut) },
  { weight: 2, arbitrary: fc.record({ group }).map(cancelEach) },
  { weight: 1, arbitrary: fc.record({ group }).map(getGroup) },
);
