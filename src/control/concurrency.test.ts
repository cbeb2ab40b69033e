import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KeyPolicy, keyPolicies } from '../contract/queue.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from './control.suite.ts';

const keys = [undefined, 'a', 'b'] as const;
const key = fc.constantFrom(...keys);
const limit = fc.constantFrom(null, 1, 2, 3);
const job = fc.nat(9);
const worker = fc.nat(1);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('submit' as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('claim' as const), worker, want: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('end' as const), job, exitCode: fc.constantFrom(0, 1) }),
  },
  fc.record({ do: fc.constant('giveBack' as const), job }),
  fc.record({ do: fc.constant('cancel' as const), job }),
  fc.record({ do: fc.constant('retry' as const), job }),
  fc.record({ do: fc.constant('redrive' as const) }),
  fc.record({ do: fc.constant('lose' as const), worker }),
  fc.record({
    do: fc.constant('set' as const),
    queueMax: limit,
    keyMax: limit,
    fairBy: fc.constantFrom('none', 'tenant', 'key'),
    keyPolicy: fc.constantFrom(...keyPolicies),
  }),
  fc.record({ do: fc.constant('pause' as const) }),
  fc.record({ do: fc.constant('resume' as const) }),
  fc.record({ do: fc.constant('purge' as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type StepOf<D extends Step['do']> = Extract<Step, { do: D }>;

interface ModelJob {
  readonly id: string;
  readonly key: string | undefined;
  state: 'pending' | 'held' | 'failed' | 'cancelled' | 'completed' | 'gone';
  attempt: number;
  worker: number;
}

/** Jobs of one queue in the plainest form: which a claim gives is worked out anew from all jobs each time. */
class Model {
  readonly jobs: ModelJob[] = [];
  queueMax: number | null = null;
  keyMax: number | null = null;
  keyPolicy: KeyPolicy = 'wait';
  paused = false;

  /** What a submit does to the jobs of its key; no job of this model runs while it is asked to stop. */
  submit(job: ModelJob): void {
    const others = this.jobs.filter(
      ({ key, state }) => key !== undefined && key === job.key && (state === 'pending' || state === 'held'),
    );
    this.jobs.push(job);
    if (this.keyMax === null || this.keyPolicy === 'wait' || others.length < this.keyMax) return;
    const surplus = others.slice(0, others.length - this.keyMax + 1);
    for (const each of this.keyPolicy === 'cancel_newest' ? [job] : surplus) each.state = 'cancelled';
  }

  /** How many a claim must give: all that is ready, but never more than there is room for. */
  claimable(want: number): number {
    if (this.paused) return 0;
    const held = this.jobs.filter(({ state }) => state === 'held');
    let count = 0;
    for (const each of keys) {
      const pending = this.jobs.filter((one) => one.state === 'pending' && one.key === each).length;
      const room = each === undefined || this.keyMax === null ? Number.POSITIVE_INFINITY : this.keyMax;
      const taken = held.filter((one) => one.key === each).length;
      count += Math.min(pending, Math.max(0, room - taken));
    }
    const queueRoom = this.queueMax === null ? count : Math.max(0, this.queueMax - held.length);
    return Math.min(want, count, queueRoom);
  }
}

/** Does each step to the commands and to the model. */
class Pair {
  readonly #control: Control;
  readonly #workers: readonly TestWorker[];
  readonly #model = new Model();

  constructor(control: Control, workers: readonly TestWorker[]) {
    this.#control = control;
    this.#workers = workers;
  }

  async take(each: Step): Promise<void> {
    this.#control.clock.advance(1);
    await (this.#acts[each.do] as (step: Step) => Promise<void>)(each);
    for (const { id, state } of this.#model.jobs) {
      if (state === 'gone') continue;
      const found = (await this.#control.queries.get(id)).state;
      expect(found === 'claimed' || found === 'running' ? 'held' : found).toBe(state);
    }
  }

  readonly #acts: { [D in Step['do']]: (step: StepOf<D>) => Promise<void> } = {
    submit: async ({ key: concurrencyKey }) => {
      const body = { ...trueJob, ...(concurrencyKey === undefined ? {} : { concurrencyKey }) };
      const { id } = await this.#control.jobs.submit(body);
      this.#model.submit({ id, key: concurrencyKey, state: 'pending', attempt: 0, worker: -1 });
    },
    claim: async ({ worker: index, want }) => {
      const expected = this.#model.claimable(want);
      const claimed = await this.#worker(index).claim(want);
      expect(claimed).toHaveLength(expected);
      for (const { jobId, attempt } of claimed) this.#claimed(jobId, attempt, index);
    },
    end: async ({ job: at, exitCode }) => {
      const held = this.#nth(at, 'held');
      if (held === undefined) return;
      const ref = { jobId: held.id, attempt: held.attempt };
      await this.#worker(held.worker).start(ref);
      await this.#worker(held.worker).work({ want: 0, done: [endOf(ref, { exitCode })] });
      held.state = exitCode === 0 ? 'completed' : 'failed';
    },
    giveBack: async ({ job: at }) => {
      const held = this.#nth(at, 'held');
      if (held === undefined) return;
      const ref = { jobId: held.id, attempt: held.attempt };
      const done = [endOf(ref, { reason: null, exitCode: null })];
      await this.#worker(held.worker).work({ want: 0, done });
      held.state = 'pending';
    },
    cancel: async ({ job: at }) => {
      const pending = this.#nth(at, 'pending', 'held');
      if (pending === undefined) return;
      await this.#control.jobs.cancel(pending.id);
      pending.state = 'cancelled';
    },
    retry: async ({ job: at }) => {
      const ended = this.#nth(at, 'failed', 'cancelled');
      if (ended === undefined) return;
      await this.#control.jobs.retry(ended.id);
      ended.state = 'pending';
    },
    redrive: async () => {
      const failed = this.#model.jobs.filter(({ state }) => state === 'failed');
      expect((await this.#control.queues.redrive('default', {})).redriven).toBe(failed.length);
      for (const each of failed) each.state = 'pending';
    },
    lose: async ({ worker: index }) => {
      await this.#worker(index).register();
      for (const each of this.#model.jobs)
        if (each.state === 'held' && each.worker === index) {
          each.state = (await this.#control.queries.get(each.id)).state === 'failed' ? 'failed' : 'pending';
        }
    },
    set: async ({ queueMax, keyMax, fairBy, keyPolicy }) => {
      const limits = { concurrencyMax: queueMax, concurrencyMaxPerKey: keyMax };
      await this.#control.queues.set('default', { ...limits, fairBy, keyPolicy });
      this.#model.keyPolicy = keyPolicy;
      this.#model.queueMax = queueMax;
      this.#model.keyMax = keyMax;
    },
    pause: async () => {
      await this.#control.queues.pause('default');
      this.#model.paused = true;
    },
    resume: async () => {
      await this.#control.queues.resume('default');
      this.#model.paused = false;
    },
    purge: async () => {
      const ended = this.#model.jobs.filter(({ state }) => !['pending', 'held', 'gone'].includes(state));
      expect((await this.#control.forget.purge('default', {})).purged).toBe(ended.length);
      for (const each of ended) each.state = 'gone';
    },
  };

  /** Only a job that the model has waiting may be given. */
  #claimed(id: string, attempt: number, index: number): void {
    const claimed = this.#model.jobs.find((each) => each.id === id);
    if (claimed?.state !== 'pending') throw new Error(`${id} was claimed as ${claimed?.state}`);
    Object.assign(claimed, { state: 'held', attempt, worker: index });
  }

  #nth(at: number, ...states: ModelJob['state'][]): ModelJob | undefined {
    const found = this.#model.jobs.filter(({ state }) => states.includes(state));
    return found[at % Math.max(1, found.length)];
  }

  #worker(index: number): TestWorker {
    return this.#workers[index] ?? new TestWorker(this.#control);
  }
}

describe('limits of concurrency', () => {
  it('give as many jobs as there is room for, never more, in any order of commands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const control = await openControl();
        try {
          const pair = new Pair(control, [await TestWorker.join(control), await TestWorker.join(control)]);
          for (const each of steps) await pair.take(each);
          expect(await checkInvariants(control.db)).toEqual([]);
        } finally {
          await control.close();
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it('takes the jobs of a key in the order of their submit', async () => {
    const control = await openControl();
    const worker = await TestWorker.join(control);
    await control.queues.set('default', { concurrencyMaxPerKey: 2 });
    const ids: string[] = [];
    for (let n = 0; n < 10; n++)
      ids.push((await control.jobs.submit({ ...trueJob, concurrencyKey: 'k' })).id);
    const seen: string[] = [];
    for (let claimed = await worker.claim(5); claimed.length > 0; ) {
      seen.push(...claimed.map(({ jobId }) => jobId));
      for (const each of claimed) await worker.start(each);
      claimed = [...(await worker.work({ want: 5, done: claimed.map((each) => endOf(each)) })).claimed];
    }
    expect(seen).toEqual(ids);
    await control.close();
  });
});
