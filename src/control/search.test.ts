import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import type { QueryOf } from '../contract/routes.ts';
import { limits } from '../domain/limits.ts';
import type { Database } from '../store/database.ts';
import { checkInvariants } from '../store/invariants.suite.ts';
import { type Control, openControl, TestWorker, trueJob } from './control.suite.ts';
import { searchJobs } from './search.ts';

let control: Control;

beforeEach(async () => {
  control = await openControl();
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

const submit = async (more: Partial<SubmitJob> = {}): Promise<string> =>
  (await control.jobs.submit({ ...trueJob, ...more })).id;

async function found(query: QueryOf<'listJobs'>): Promise<string[]> {
  return (await control.queries.list(query)).jobs.map(({ id }) => id);
}

/** All pages together, and how many there were. */
async function walk(query: QueryOf<'listJobs'>): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  for (let pages = 1, cursor: string | null = null; ; pages++) {
    const page = await control.queries.list({ ...query, ...(cursor === null ? {} : { cursor }) });
    ids.push(...page.jobs.map(({ id }) => id));
    cursor = page.nextCursor;
    if (cursor === null) return { ids, pages };
  }
}

describe('a search', () => {
  it('finds jobs by one label or several, newest first', async () => {
    const both = await submit({ labels: { team: 'a', kind: 'x=y' } });
    const one = await submit({ labels: { team: 'a' } });
    await submit({ labels: { team: 'b', kind: 'x=y' } });
    expect(await found({ label: ['team=a'] })).toEqual([one, both]);
    expect(await found({ label: ['team=a', 'kind=x=y'] })).toEqual([both]);
    expect(await found({ label: ['team=c'] })).toEqual([]);
  });

  it('finds the jobs of a tenant, also of the default one', async () => {
    const acme = await submit({ tenant: 'acme' });
    const nobody = await submit();
    expect(await found({ tenant: 'acme' })).toEqual([acme]);
    expect(await found({ tenant: 'default' })).toEqual([nobody]);
  });

  it('finds text in the command over its arguments, letters of either case', async () => {
    const build = await submit({ command: ['sh', '-c', 'Make "all" && echo 100%'] });
    await submit({ command: ['make', 'some'] });
    for (const text of ['-C make', '"ALL"', '100%', 'sh -c'])
      expect(await found({ text }), text).toEqual([build]);
    expect(await found({ text: 'default' })).toEqual([]);
  });

  it('finds jobs by the time of their submit, edges left out', async () => {
    const ids: string[] = [];
    const startMs = control.clock.nowMs();
    for (let n = 0; n < 20; n++) {
      ids.push(await submit());
      if (n % 2 === 1) control.clock.advance(1_000);
    }
    expect(await found({ createdAfterMs: startMs + 7_000 })).toEqual(ids.slice(16).reverse());
    expect(await found({ createdBeforeMs: startMs + 1_000 })).toEqual(ids.slice(0, 2).reverse());
    expect(await found({ createdAfterMs: startMs, createdBeforeMs: startMs + 2_000 })).toEqual(
      ids.slice(2, 4).reverse(),
    );
    expect(await found({ createdAfterMs: startMs + 9_000 })).toEqual([]);
    expect(await found({ createdBeforeMs: 1 })).toEqual([]);
  });

  it('meets all that is asked at once', async () => {
    const wanted = { queue: 'ci', tenant: 'acme', labels: { team: 'a' }, command: ['pytest', '-x'] };
    const id = await submit(wanted);
    await submit({ ...wanted, queue: 'other' });
    await submit({ ...wanted, tenant: 'other' });
    await submit({ ...wanted, labels: { team: 'b' } });
    await submit({ ...wanted, command: ['true'] });
    await control.jobs.cancel(await submit(wanted));
    const query = {
      ...{ queue: 'ci', state: 'pending' as const, tenant: 'acme', label: ['team=a'], text: 'pytest' },
    };
    expect(await found(query)).toEqual([id]);
    for (const left of ['label', 'tenant', 'queue', 'state'] as const) {
      const { [left]: _, ...rest } = query;
      expect((await found(rest)).length, left).toBe(2);
    }
  });

  it('meets every label that is asked for beside a group', async () => {
    const wanted = await submit({ group: 'nightly', labels: { team: 'a', kind: 'x' } });
    const oneOnly = await submit({ group: 'nightly', labels: { team: 'a' } });
    await submit({ group: 'nightly', labels: { kind: 'x' } });
    await submit({ labels: { team: 'a', kind: 'x' } });
    expect(await found({ group: 'nightly', label: ['team=a'] })).toEqual([oneOnly, wanted]);
    expect(await found({ group: 'nightly', label: ['team=a', 'kind=x'] })).toEqual([wanted]);
    expect(await found({ group: 'nightly', label: ['team=b'] })).toEqual([]);
  });

  it('looks at a bounded number of jobs for each page, and goes on from there', async () => {
    const first = await submit({ command: ['needle'] });
    const some = Array.from({ length: 1_000 }, () => trueJob);
    for (let n = 0; n < 4; n++) await control.jobs.submitAll(some);
    const last = await submit({ command: ['needle'] });
    expect(limits.searchedPerPage).toBe(2_000);
    expect(await found({ text: 'needle' })).toEqual([last]);
    expect(await walk({ text: 'needle' })).toEqual({ ids: [last, first], pages: 3 });
    const all = await walk({ text: 'true', limit: 500 });
    expect([all.ids.length, new Set(all.ids).size]).toEqual([4_000, 4_000]);
  });

  it('walks the states of a queue, and the queues of a state, side by side', async () => {
    const queues = ['a', 'b', 'c'];
    const ids: string[] = [];
    for (let n = 0; n < 30; n++)
      ids.unshift(await submit({ queue: queues[n % 3] ?? '', command: ['x', `${n}`] }));
    const cancelled = ids.filter((_, n) => n % 4 === 0);
    for (const id of cancelled) await control.jobs.cancel(id);
    const ofA = ids.filter((_, n) => (29 - n) % 3 === 0);
    for (const text of [{}, { text: 'x' }]) {
      for (const limit of [1, 4, 500]) {
        const all = { ...text, limit };
        expect((await walk({ ...all, queue: 'a' })).ids).toEqual(ofA);
        expect((await walk({ ...all, state: 'cancelled' })).ids).toEqual(cancelled);
        expect((await walk({ ...all, state: 'pending' })).ids).toEqual(
          ids.filter((id) => !cancelled.includes(id)),
        );
        expect((await walk({ ...all, state: 'running' })).ids).toEqual([]);
      }
    }
  });

  it('walks all jobs of a page for a state in more queues than it walks side by side', async () => {
    const jobs = Array.from({ length: limits.searchPaths + 1 }, (_, n) => ({ ...trueJob, queue: `q${n}` }));
    const ids = (await control.jobs.submitAll(jobs)).map(({ id }) => id).reverse();
    expect((await walk({ state: 'pending', text: 'true', limit: 50 })).ids).toEqual(ids);
    expect((await walk({ state: 'pending', limit: 50 })).ids).toEqual(ids);
  });

  it('looks no further in a queue than in all', async () => {
    const first = await submit({ command: ['needle'], queue: 'a' });
    const some = Array.from({ length: 1_000 }, () => ({ ...trueJob, queue: 'a' }));
    for (let n = 0; n < 3; n++) await control.jobs.submitAll(some);
    expect(await found({ queue: 'a', text: 'needle' })).toEqual([]);
    expect((await walk({ queue: 'a', text: 'needle' })).ids).toEqual([first]);
    expect((await walk({ state: 'pending', text: 'needle' })).ids).toEqual([first]);
  });

  it('reads nothing of what no label names', async () => {
    await control.jobs.submitAll(Array.from({ length: 1_000 }, () => trueJob));
    const id = await submit({ labels: { a: 'b' } });
    for (let n = 0; n < 3; n++) await control.jobs.submitAll(Array.from({ length: 1_000 }, () => trueJob));
    expect(await walk({ label: ['a=b'], text: 'true' })).toEqual({ ids: [id], pages: 1 });
  });

  it('of several states finds a job once that takes a step, or goes back, at any time meanwhile', async () => {
    const query = { state: ['claimed', 'running', 'pending'], queue: 'default', text: 'true' } as const;
    for (const step of ['claimed', 'put back']) {
      for (let reads = 0, stepBefore = 0; stepBefore <= reads; stepBefore++) {
        const worker = await TestWorker.join(control);
        const id = await submit();
        if (step === 'put back') await worker.run();
        reads = 0;
        let turn: Promise<unknown> = Promise.resolve();
        const steppingDb: Database = {
          batch: (statements) => control.db.batch(statements),
          query: (statement) => {
            const read = turn.then(async () => {
              // A worker that registers anew has lost what it ran.
              if (reads++ === stepBefore) await (step === 'claimed' ? worker.claim() : worker.register());
              return control.db.query(statement);
            });
            turn = read;
            return read;
          },
          close: () => control.db.close(),
        };
        const { jobs } = await searchJobs(steppingDb, query, { before: limits.integerMax, limit: 9 });
        const place = `${step} before read ${stepBefore}`;
        expect(
          jobs.map((job) => job.id),
          place,
        ).toEqual([id]);
        await control.jobs.cancel(id);
        await worker.register();
      }
    }
  });
});
