import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import { limits } from '../../domain/limits.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from '../control.suite.ts';

let control: Control;
beforeEach(async () => {
  control = await openControl();
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

/** Jobs of `name<parent,parent`, in this order, with ids made for the names. */
function family(text: string, more: Partial<SubmitJob> = {}) {
  const words = text.split(' ').map((word) => word.split('<'));
  const ids = new Map(words.map(([name = '']) => [name, control.ids()]));
  const bodies = words.map(([name = '', after]) => ({
    ...trueJob,
    ...more,
    id: ids.get(name) ?? '',
    ...(after === undefined ? {} : { after: after.split(',').map((parent) => ids.get(parent) ?? parent) }),
  }));
  return { bodies, idOf: (name: string) => ids.get(name) ?? '' };
}

describe('a batch of jobs that run after each other', () => {
  it('may come in any order, and runs in that of its dependencies', async () => {
    const { bodies, idOf } = family('bottom<left,right left<top right<top top');
    const jobs = await control.jobs.submitAll(bodies);
    expect(jobs.map(({ id, state }) => [id, state])).toEqual([
      [idOf('bottom'), 'blocked'],
      [idOf('left'), 'blocked'],
      [idOf('right'), 'blocked'],
      [idOf('top'), 'pending'],
    ]);
    const worker = await TestWorker.join(control);
    const seen: string[] = [];
    while (seen.length < 4) {
      const claimed = await worker.run();
      seen.push(claimed.jobId);
      await worker.work({ want: 0, done: [endOf(claimed)] });
      await control.parentEnds.tellAll();
    }
    expect(seen).toEqual(['top', 'left', 'right', 'bottom'].map(idOf));
    expect((await control.jobs.submitAll(bodies)).map(({ state }) => state)).toEqual(
      Array(4).fill('completed'),
    );
  });

  it('may run after jobs that are stored, ended ones too', async () => {
    const { id } = await control.jobs.submit(trueJob);
    await control.jobs.cancel(id);
    const { bodies } = family(`a<${id} b<a c`);
    const jobs = await control.jobs.submitAll(bodies);
    expect(jobs.map(({ state, reason }) => [state, reason])).toEqual([
      ['cancelled', 'parent_cancelled'],
      ['blocked', null],
      ['pending', null],
    ]);
    await control.parentEnds.tellAll();
    expect((await control.queries.get(jobs[1]?.id ?? '')).state).toBe('cancelled');
  });

  it('with a cycle is refused whole, and the cycle is named', async () => {
    const { bodies, idOf } = family('x a<b b<c c<a');
    const cycle = ['a', 'b', 'c', 'a'].map(idOf).join(' → ');
    await expect(control.jobs.submitAll(bodies)).rejects.toMatchObject({
      code: 'BATCH_LINE_REFUSED',
      details: {
        line: 2,
        code: 'JOB_CYCLE',
        problem: `Each of these jobs would wait for the next: ${cycle}.`,
      },
    });
    expect((await control.queries.list({})).jobs).toEqual([]);
  });

  it('names the line with a job that runs after one that is nowhere', async () => {
    const nowhere = control.ids();
    await expect(control.jobs.submitAll(family(`a b<a,${nowhere}`).bodies)).rejects.toMatchObject({
      code: 'BATCH_LINE_REFUSED',
      details: { line: 2, code: 'PARENT_UNKNOWN', problem: `There is no job ${nowhere} to run after.` },
    });
    expect((await control.queries.list({})).jobs).toEqual([]);
  });

  it('names no more jobs to run after than the limit', async () => {
    const { id } = await control.jobs.submit(trueJob);
    const count = limits.batchParents / limits.parentsMax;
    const after = Array<string>(limits.parentsMax).fill(id);
    const bodies = Array.from({ length: count }, () => ({ ...trueJob, after }));
    await expect(control.jobs.submitAll([...bodies, { ...trueJob, after: [id] }])).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'after' },
    });
    expect(await control.jobs.submitAll(bodies)).toHaveLength(count);
  });
});
