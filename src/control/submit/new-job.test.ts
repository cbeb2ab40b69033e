import { expect, it } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import { jsonTextOf } from '../json-text.ts';
import { draftOf } from './draft.ts';
import { submittedJob, ToldJobs } from './new-job.ts';

const parent = '01890000-0000-7000-8000-000000000001';

it.each<[string, SubmitJob]>([
  ['with defaults', { command: ['true'] }],
  ['with a spec of odd texts', { command: ['"', '\\', '\n\u2028é💡'], env: { A: '{"spec":1}' } }],
  ['that waits', { command: ['true'], after: [parent], expireInMs: 5, memoryMiB: 512 }],
  ['that is due later', { command: ['true'], delayMs: 1_000, unique: { key: '"' } }],
])('the text of a new job %s says what the job says', (_, body) => {
  const draft = draftOf(body, { id: parent.replace(/1$/, '2'), nowMs: 1_700_000_000_000 });
  const job = submittedJob(draft, undefined);
  expect(JSON.parse(jsonTextOf(job))).toEqual(JSON.parse(JSON.stringify(job)));
  expect(Object.keys(JSON.parse(jsonTextOf(job)) as object).length).toBe(24);
});

it('the text of new jobs that came together says what they say, also of one that was moved', () => {
  const jobs = ['2', '3'].map((end) => {
    const id = parent.replace(/1$/, end);
    return submittedJob(draftOf({ command: ['true', end] }, { id, nowMs: 1_700_000_000_000 }), undefined);
  });
  const moved = jobs.slice(1).map((job) => ({ ...job, state: 'cancelled' as const }));
  const told = new ToldJobs([...jobs, ...moved]);
  expect(JSON.parse(jsonTextOf(told))).toEqual(JSON.parse(JSON.stringify(told)));
  expect(told.jobs.length).toBe(3);
});
