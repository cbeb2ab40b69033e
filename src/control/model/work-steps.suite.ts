/** Steps of the model test: what workers say of jobs and of themselves. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { AttemptDone } from '../../contract/worker.ts';
import { attemptReasonNames } from '../../domain/job.ts';
import { type Pair, step } from './pair.suite.ts';

/** Workers that take part. */
export const workerCount = 2;

const failures = attemptReasonNames
  .filter((reason) => reason !== 'exit')
  .map((reason): Partial<AttemptDone> => ({ reason, exitCode: null }));
/** How a running attempt ends. */
export const end = fc.constantFrom<Partial<AttemptDone>>(
  { reason: 'exit', exitCode: 0 },
  { reason: 'exit', exitCode: 0 },
  { reason: 'exit', exitCode: 3 },
  ...failures,
);
const worker = fc.nat(workerCount - 1);

const claim = step('claim', (pair, { worker: index, want }: { worker: number; want: number }) =>
  pair.work(index, want, []),
);

const start = step('start', async (pair, { worker: index }: { worker: number }) => {
  const [claimed] = pair.model.heldBy(index, 'claimed');
  if (claimed === undefined) return;
  await pair.worker(index).start({ jobId: claimed.id, attempt: claimed.attempt });
  pair.model.start(claimed);
});

/** One job, if there is one. */
export async function claimAndStart(pair: Pair, index: number): Promise<void> {
  await pair.work(index, 1, []);
  const claimed = pair.model.heldBy(index, 'claimed').at(-1);
  if (claimed === undefined) return;
  await pair.worker(index).start({ jobId: claimed.id, attempt: claimed.attempt });
  pair.model.start(claimed);
}

interface Ending {
  readonly worker: number;
  readonly end: Partial<AttemptDone>;
  readonly want: number;
}

const endRunning = step('end', async (pair, { worker: index, end: how, want }: Ending) => {
  const [running] = pair.model.heldBy(index, 'running');
  if (running !== undefined) await pair.work(index, want, [pair.report(running, how)], running);
});

/** A VM that did not boot, say: it ends what was claimed and never started. */
const endUnstarted = step('endUnstarted', async (pair, { worker: index, end: how, want }: Ending) => {
  const [claimed] = pair.model.heldBy(index, 'claimed');
  if (claimed === undefined || (how.reason === 'exit' && how.exitCode === 0)) return;
  await pair.work(index, want, [pair.report(claimed, how)], claimed);
});

const giveBack = step('giveBack', async (pair, { worker: index }: { worker: number }) => {
  const [claimed] = pair.model.heldBy(index, 'claimed');
  if (claimed === undefined) return;
  await pair.work(index, 0, [pair.report(claimed, { reason: null, exitCode: null })], claimed);
});

/** A worker tells the end of an attempt that is held by another, or by nobody: it changes nothing. */
const sayStale = step(
  'stale',
  async (pair, values: { worker: number; job: number; end: Partial<AttemptDone> }) => {
    const { worker: index, job, end: how } = values;
    const target = pair.job(job);
    if (target === undefined || target.holder?.worker === index || pair.known(index).state === 'offline')
      return;
    const before = await pair.control.queries.attempts(target.id);
    await pair.worker(index).work({ want: 0, done: [pair.report(target, how, Math.max(1, target.attempt))] });
    pair.renewed(index);
    expect(await pair.control.queries.attempts(target.id)).toEqual(before);
  },
);

const register = step('register', (pair, { worker: index }: { worker: number }) => registerAnew(pair, index));

/** What the generation before held is lost. */
export async function registerAnew(pair: Pair, index: number): Promise<void> {
  const { generation, requeued } = await pair.worker(index).register({ queues: ['default', 'other'] });
  const lost = pair.model.loseHeld(index, pair.nowMs);
  const known = pair.known(index);
  known.generation++;
  known.state = 'online';
  pair.renewed(index);
  expect(generation).toBe(known.generation);
  const back = lost.filter(({ state }) => state === 'pending').map(({ id }) => id);
  expect([...requeued].sort()).toEqual(back.sort());
}

const drain = step('drain', async (pair, { worker: index }: { worker: number }) => {
  await pair.control.workers.drain(pair.worker(index).id);
  if (pair.known(index).state === 'online') pair.known(index).state = 'draining';
});

const remove = step('remove', async (pair, { worker: index }: { worker: number }) => {
  await pair.control.workers.remove(pair.worker(index).id);
  pair.known(index).state = 'offline';
  pair.model.loseHeld(index, pair.nowMs);
});

const ending = fc.record({ worker, end, want: fc.nat(1) });

/** All steps of this family. */
export const workSteps = fc.oneof(
  { weight: 5, arbitrary: fc.record({ worker, want: fc.integer({ min: 1, max: 3 }) }).map(claim) },
  { weight: 5, arbitrary: fc.record({ worker }).map(start) },
  { weight: 5, arbitrary: ending.map(endRunning) },
  { weight: 1, arbitrary: ending.map(endUnstarted) },
  { weight: 1, arbitrary: fc.record({ worker }).map(giveBack) },
  { weight: 1, arbitrary: fc.record({ worker, job: fc.nat(5), end }).map(sayStale) },
  { weight: 1, arbitrary: fc.record({ worker }).map(register) },
  { weight: 1, arbitrary: fc.record({ worker }).map(drain) },
  { weight: 1, arbitrary: fc.record({ worker }).map(remove) },
);
