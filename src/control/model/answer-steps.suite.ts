/** A step of the model test: what a unique policy answered with the job of another is asked again. */
import { expect } from 'vitest';
import type { SubmitJob } from '../../contract/job.ts';
import { trueJob } from '../control.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';
import { step } from './pair.suite.ts';

/** A submit that was answered with the job of another. */
export interface ModelAnswer {
  readonly body: SubmitJob & { readonly id: string };
  readonly key: string | undefined;
  readonly job: ModelJob;
}

/** The answer stands, whatever has become of that job since, until it is forgotten. */
export const submitAnswered = step('submitAnswered', async (pair, { answer: index }: { answer: number }) => {
  const { jobs } = pair.control;
  const answer = pair.model.answers.at(-1 - index);
  if (answer === undefined) return;
  const { body, key, job } = answer;
  expect((await jobs.submit(body, key)).id).toBe(job.id);
  const other = { ...body, cwd: '/else' };
  await pair.refused(jobs.submit(other, key), 'JOB_ID_CONFLICT');
  await pair.refused(jobs.submit({ ...trueJob, id: body.id }), 'JOB_ID_CONFLICT');
  await pair.refused(jobs.submitAll([{ ...trueJob, id: body.id }]), 'BATCH_LINE_REFUSED');
  if (key === undefined) return;
  // A client that gives a key only has a new id each time.
  const id = pair.control.ids();
  expect((await jobs.submit({ ...body, id }, key)).id).toBe(job.id);
  await pair.refused(jobs.submit({ ...other, id }, key), 'IDEMPOTENCY_CONFLICT');
});
