import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterFailedPolicies } from '../contract/together.ts';
import type { AttemptDone } from '../contract/worker.ts';
import { isEnded } from '../domain/job.ts';
import { defaults } from '../domain/limits.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';
import { Model, type ModelJob } from './model.suite.ts';

const workerCount = 2;

const ends: readonly Partial<AttemptDone>[] = [
  { reason: 'exit', exitCode: 0 },
  { reason: 'exit', exitCode: 3 },
  { reason: 'timeout', exitCode: null, signal: 9 },
  { reason: 'oom', exitCode: null },
  { reason: 'vm_crashed', exitCode: null },
  { reason: 'cancelled', exitCode: null, signal: 15 },
];

const worker = fc.nat(workerCount - 1);
const job = fc.nat(7);
const step = fc.oneof(
  fc.record({
    do: fc.constant('submit' as const),
    attemptsMax: fc.integer({ min: 1, max: 3 }),
    priority: fc.integer({ min: -1, max: 1 }),
    after: fc.uniqueArray(fc.nat(7), { maxLength: 2 }),
    afterFailed: fc.constantFrom(...afterFailedPolicies),
    group: fc.constantFrom(undefined, 'a', 'b'),
    retry: fc.constantFrom(undefined, {
      oom: { attemptsMax: 2, memoryFactor: 2 },
      timeout: { attemptsMax: 1 },
    }),
  }),
  fc.record({ do: fc.constant('claim' as const), worker, want: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('start' as const), worker }),
  fc.record({ do: fc.constant('end' as const), worker, end: fc.constantFrom(...ends), want: fc.nat(1) }),
  fc.record({ do: fc.constant('giveBack' as const), worker }),
  fc.record({ do: fc.constant('stale' as const), worker, job, end: fc.constantFrom(...ends) }),
  fc.record({ do: fc.constant('cancel' as const), job }),
  fc.record({ do: fc.constant('retry' as const), job, delayMs: fc.constantFrom(0, 5_000) }),
  fc.record({ do: fc.constant('cancelGroup' as const), group: fc.constantFrom('a', 'b') }),
  fc.record({ do: fc.constant('register' as const), worker }),
  fc.record({ do: fc.constant('drain' as const), worker }),
  fc.record({ do: fc.constant('remove' as const), worker }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1_000, 10_000, defaults.leaseMs) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type StepOf<D extends Step['do']> = Extract<Step, { do: D }>;

/** Does each step to the commands and to the model, and expects the same of both. */
class Pair {
  readonly #control: Control;
  readonly #workers: readonly TestWorker[];
  readonly #model = new Model();
  readonly #leases: number[] = [];

  constructor(control: Control, workers: readonly TestWorker[]) {
    this.#control = control;
    this.#workers = workers;
    for (const [index] of workers.entries()) {
      this.#model.workers.push({ generation: 1, state: 'online' });
      this.#renewed(index);
    }
  }

  async take(each: Step): Promise<void> {
    const act = this.#acts[each.do] as (step: Step) => Promise<void>;
    await act(each);
    await this.#control.parentEnds.tellAll();
    this.#model.tellChildren(this.#nowMs());
    await this.#compare();
  }

  readonly #acts: { [D in Step['do']]: (step: StepOf<D>) => Promise<void> } = {
    submit: async ({ attemptsMax, priority, after: indexes, afterFailed, group, retry }) => {
      const after = indexes.flatMap((index) => this.#model.jobs[index] ?? []);
      const { id } = await this.#control.jobs.submit({
        ...{ ...trueJob, attemptsMax, priority, after: after.map((parent) => parent.id), afterFailed },
        ...(group === undefined ? {} : { group }),
        ...(retry === undefined ? {} : { retry }),
      });
      this.#model.submit(id, { attemptsMax, priority, after, afterFailed, group, retry }, this.#nowMs());
    },
    claim: ({ worker: index, want }) => this.#work(index, want, []),
    start: async ({ worker: index }) => {
      const [claimed] = this.#model.heldBy(index, 'claimed');
      if (claimed === undefined) return;
      await this.#worker(index).start({ jobId: claimed.id, attempt: claimed.attempt });
      claimed.state = 'running';
    },
    end: async ({ worker: index, end, want }) => {
      const [running] = this.#model.heldBy(index, 'running');
      if (running !== undefined) await this.#work(index, want, [this.#report(running, end)], running);
    },
    giveBack: async ({ worker: index }) => {
      const [claimed] = this.#model.heldBy(index, 'claimed');
      if (claimed === undefined) return;
      await this.#work(index, 0, [this.#report(claimed, { reason: null, exitCode: null })], claimed);
    },
    stale: (each) => this.#sayStale(each),
    cancel: async ({ job: index }) => {
      const target = this.#model.jobs[index];
      if (target === undefined) return;
      const cancelled = this.#control.jobs.cancel(target.id);
      if (this.#model.cancel(target)) await cancelled;
      else await expect(cancelled).rejects.toMatchObject({ code: 'JOB_INVALID_TRANSITION' });
    },
    retry: async ({ job: index, delayMs }) => {
      const target = this.#model.jobs[index];
      if (target === undefined) return;
      const retried = this.#control.jobs.retry(target.id, delayMs);
      if (this.#model.retry(target, this.#nowMs(), delayMs)) await retried;
      else await expect(retried).rejects.toMatchObject({ code: 'JOB_INVALID_TRANSITION' });
    },
    cancelGroup: async ({ group }) => {
      const going = this.#model.jobs.filter(
        (each) => each.group === group && !isEnded(each.state) && !each.cancelRequested,
      );
      if (this.#model.groups()[group] === undefined) return;
      const { cancelled, stopping } = await this.#control.groups.cancel(group);
      for (const each of going) this.#model.cancel(each);
      expect(stopping).toBe(going.filter(({ state }) => state === 'running').length);
      expect(cancelled + stopping).toBe(going.length);
    },
    register: async ({ worker: index }) => {
      const { generation, requeued } = await this.#worker(index).register();
      const lost = this.#model.loseHeld(index, this.#nowMs());
      const known = this.#known(index);
      known.generation++;
      known.state = 'online';
      this.#renewed(index);
      expect(generation).toBe(known.generation);
      const back = lost.filter(({ state }) => state === 'pending').map(({ id }) => id);
      expect([...requeued].sort()).toEqual(back.sort());
    },
    drain: async ({ worker: index }) => {
      await this.#control.workers.drain(this.#worker(index).id);
      if (this.#known(index).state === 'online') this.#known(index).state = 'draining';
    },
    remove: async ({ worker: index }) => {
      await this.#control.workers.remove(this.#worker(index).id);
      this.#known(index).state = 'offline';
      this.#model.loseHeld(index, this.#nowMs());
    },
    pass: async ({ ms }) => {
      this.#control.clock.advance(ms);
      await this.#control.scheduler.tick();
      this.#model.promote(this.#nowMs());
      for (const [index, known] of this.#model.workers.entries()) {
        if (known.state === 'offline' || (this.#leases[index] ?? 0) > this.#nowMs()) continue;
        known.state = 'offline';
        this.#model.loseHeld(index, this.#nowMs());
      }
    },
  };

  async #work(index: number, want: number, done: AttemptDone[], ended?: ModelJob): Promise<void> {
    const working = this.#worker(index).work({ want, done });
    if (this.#known(index).state === 'offline') {
      await expect(working).rejects.toMatchObject({ code: 'FENCED' });
      return;
    }
    const reply = await working;
    this.#renewed(index);
    for (const { reason, exitCode } of done) {
      if (ended === undefined) continue;
      if (reason === null) this.#model.giveBack(ended);
      else this.#model.end(ended, { reason, exitCode }, this.#nowMs());
    }
    if (ended?.state === 'scheduled') ended.runAtMs = (await this.#control.queries.get(ended.id)).runAtMs;
    expect(reply.fenced).toEqual([]);
    const expected = this.#model
      .claim(index, want)
      .map(({ id, attempt, memoryMiB }) => ({ jobId: id, attempt, spec: { memoryMiB } }));
    expect(reply.claimed).toMatchObject(expected);
    expect(reply.claimed).toHaveLength(expected.length);
    const stopping = this.#model.heldBy(index, 'running').filter(({ cancelRequested }) => cancelRequested);
    expect(reply.cancel.map(({ jobId }) => jobId).sort()).toEqual(stopping.map(({ id }) => id).sort());
  }

  /** A worker tells the end of an attempt that is held by another, or by nobody: it changes nothing. */
  async #sayStale({ worker: index, job: jobIndex, end }: StepOf<'stale'>): Promise<void> {
    const target = this.#model.jobs[jobIndex];
    if (target === undefined || target.holder?.worker === index || this.#known(index).state === 'offline')
      return;
    const before = await this.#control.queries.attempts(target.id);
    await this.#worker(index).work({
      want: 0,
      done: [this.#report(target, end, Math.max(1, target.attempt))],
    });
    this.#renewed(index);
    expect(await this.#control.queries.attempts(target.id)).toEqual(before);
  }

  async #compare(): Promise<void> {
    for (const expected of this.#model.jobs) {
      const { id, state, attempt, attemptsUsed, infraFailures, runAtMs, holder, memoryMiB } = expected;
      const found = await this.#control.queries.get(id);
      expect(found).toMatchObject({ state, attempt, attemptsUsed, infraFailures, runAtMs, memoryMiB });
      expect(found.attemptsUsedByReason).toEqual(expected.usedByReason);
      if (holder !== undefined) expect(found.workerId).toBe(this.#worker(holder.worker).id);
      expect(found.cancelRequestedAtMs !== null).toBe(expected.cancelRequested);
    }
    const { groups } = await this.#control.groups.list();
    expect(Object.fromEntries(groups.map(({ name, counts }) => [name, counts]))).toEqual(
      this.#model.groups(),
    );
  }

  #report({ id, attempt }: ModelJob, end: Partial<AttemptDone>, number = attempt): AttemptDone {
    return endOf({ jobId: id, attempt: number }, end);
  }

  #renewed(index: number): void {
    this.#leases[index] = this.#nowMs() + defaults.leaseMs;
  }

  #nowMs(): number {
    return this.#control.clock.nowMs();
  }

  #worker(index: number): TestWorker {
    return this.#workers[index] ?? new TestWorker(this.#control);
  }

  #known(index: number) {
    return this.#model.workers[index] ?? { generation: 0, state: 'offline' as const };
  }
}

describe('commands', () => {
  it('do what the model does, and keep the invariants, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const control = await openControl();
        try {
          const workers = [await TestWorker.join(control), await TestWorker.join(control)];
          const pair = new Pair(control, workers);
          for (const each of steps) await pair.take(each);
          expect(await checkInvariants(control.db)).toEqual([]);
        } finally {
          await control.close();
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
