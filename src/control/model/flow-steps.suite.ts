/** Steps of the model test: many jobs of several tenants and keys, and workers that take them as they may. */
import fc from 'fast-check';
import { defaults } from '../../domain/defaults.ts';
import { noOptions } from './model-parts.suite.ts';
import { type Pair, queueNames, type Step, step } from './pair.suite.ts';
import { acceptNew, bodyOf } from './submit-steps.suite.ts';

interface Flood {
  readonly queue: string;
  readonly count: number;
  readonly owners: readonly { readonly tenant: string; readonly key: string | undefined }[];
}

/** Jobs of one owner after the other. */
const flood = step('flood', async (pair, { queue, count, owners }: Flood) => {
  const all = Array.from({ length: count }, (_, index) => ({
    ...{ ...noOptions, queue, attemptsMax: 1, priority: 0, delayMs: 0 },
    ...(owners[index % owners.length] ?? {}),
  }));
  const bodies = all.map((given) => bodyOf(pair, given));
  await pair.control.jobs.submitAll(bodies);
  for (const [index, given] of all.entries()) acceptNew(pair, bodies[index]?.id ?? '', given);
});

interface Serve {
  readonly worker: number;
  readonly wants: readonly number[];
  readonly ms: number;
  /** What becomes of what it got. */
  readonly fate: 'done' | 'back' | 'held';
}

/** A worker claims again and again. */
const serve = step('serve', async (pair, { worker, wants, ms, fate }: Serve) => {
  for (const want of wants) {
    await pair.work(worker, want, []);
    await pair.compare();
    pair.control.clock.advance(ms);
    if (fate === 'back') await giveAllBack(pair, worker);
    if (fate === 'done') await finishAll(pair, worker);
    await pair.compare();
  }
});

/** What it still has, also after its queue was held up for a moment. */
const backLater = step('backLater', async (pair, { worker, pause }: { worker: number; pause: boolean }) => {
  if (pause) await pair.control.queues.pause(queueNames[0]);
  await giveAllBack(pair, worker);
  if (pause) await pair.control.queues.resume(queueNames[0]);
  if (pause) pair.model.queue(queueNames[0]).paused = false;
});

/** All that it has not started. */
async function giveAllBack(pair: Pair, worker: number): Promise<void> {
  for (const job of pair.model.heldBy(worker, 'claimed'))
    await pair.work(worker, 0, [pair.report(job, { reason: null, exitCode: null })], job);
}

async function finishAll(pair: Pair, worker: number): Promise<void> {
  for (const job of pair.model.heldBy(worker, 'claimed')) {
    await pair.worker(worker).start({ jobId: job.id, attempt: job.attempt });
    pair.model.start(job);
    await pair.work(worker, 0, [pair.report(job, { reason: 'exit', exitCode: 0 })], job);
  }
}

const wait = step('wait', (pair, { ms }: { ms: number }) => passWithWorkers(pair, ms));

/** Time goes by that no worker lets its lease end in, and the scheduler looks. */
export async function passWithWorkers(pair: Pair, ms: number): Promise<void> {
  pair.control.clock.advance(ms);
  for (const index of pair.model.workers.keys()) await pair.work(index, 0, []);
  await pair.control.scheduler.tick();
  pair.model.tick(pair.nowMs);
}

const keys = ['a', 'b', 'c'] as const;

/** All steps of this family; if `keyed`, every job has a key: what has none is never without tokens for its key. */
export function flowSteps(keyed: boolean): fc.Arbitrary<Step> {
  const owner = fc.record({
    tenant: fc.constantFrom(defaults.tenant, 't', 'u'),
    key: keyed ? fc.constantFrom(...keys) : fc.constantFrom(undefined, ...keys),
  });
  const floods = fc.record({
    queue: fc.constantFrom(queueNames[0], ...queueNames),
    count: fc.integer({ min: 4, max: 30 }),
    owners: fc.array(owner, { minLength: 1, maxLength: 3 }),
  });
  const serves = fc.record({
    worker: fc.nat(1),
    wants: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
    ms: fc.constantFrom(0, 1, 40),
    fate: fc.constantFrom('done', 'back', 'held', 'held'),
  });
  return fc.oneof(
    { weight: 3, arbitrary: floods.map(flood) },
    { weight: 6, arbitrary: serves.map(serve) },
    { weight: 2, arbitrary: fc.record({ worker: fc.nat(1), pause: fc.boolean() }).map(backLater) },
    { weight: 3, arbitrary: fc.record({ ms: fc.constantFrom(1, 50, 900, 5_000) }).map(wait) },
  );
}
