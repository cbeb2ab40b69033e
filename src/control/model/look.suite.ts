/** Compares what users are shown of a job, beside its state, with the model: what it told, and why it was cancelled. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Job } from '../../contract/job.ts';
import type { ModelJob } from './model-parts.suite.ts';
import type { Pair } from './pair.suite.ts';
import { shownArtifacts, shownProgress, shownResult } from './told.suite.ts';

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Progress, who cancelled it and why, result, and the artifacts of its newest attempts. */
export async function lookAt(pair: Pair, job: ModelJob): Promise<void> {
  const { queries, results } = pair.control;
  const view = await queries.get(job.id);
  expect(view.progress).toEqual(shownProgress(job));
  const { cancelReason, cancelledBy } = view;
  expect({ reason: cancelReason, by: cancelledBy }).toEqual(job.cancelWhy);
  const reading = results.resultText(view);
  const result = shownResult(job);
  if (result === undefined) await pair.refused(reading, 'RESULT_NOT_FOUND');
  else expect(await reading).toBe(result);
  for (const attempt of [job.attempt, job.attempt - 1])
    if (attempt >= 0) await artifacts(pair, job, view, attempt);
}

async function artifacts(pair: Pair, job: ModelJob, view: Job, attempt: number): Promise<void> {
  const { results, artifacts: files } = pair.control;
  const shown = shownArtifacts(job, attempt);
  const facts = shown.files.map(({ file, text }) => ({
    name: file,
    size: text.length,
    sha256: sha256Of(text),
  }));
  const list = { jobId: job.id, attempt, ended: shown.ended, artifacts: facts };
  expect(await results.list(view, attempt)).toEqual(list);
  for (const { file: name, text } of job.told.artifacts.filter((each) => each.attempt === attempt)) {
    const finding = results.find(view, attempt, name);
    if (shown.ended) expect(await finding).toEqual(facts.find((each) => each.name === name));
    else await pair.refused(finding, 'ARTIFACT_NOT_FOUND');
    expect(String(files.read({ jobId: job.id, attempt, name }))).toBe(text);
  }
}

/** After all steps: every job that told something or was cancelled, and nothing is left of those forgotten. */
export async function lookAtAll(pair: Pair): Promise<void> {
  const { jobs } = pair.model;
  for (const job of jobs) {
    const { progress, result, artifacts: files } = job.told;
    const hasTold = progress !== undefined || result !== undefined || files.length > 0;
    if (hasTold || job.cancelRequested) await lookAt(pair, job);
  }
  const ids = new Set(jobs.map(({ id }) => id));
  const rows = await pair.control.db.query({
    sql: `SELECT job_id FROM job_progress UNION SELECT job_id FROM job_results UNION SELECT job_id FROM artifacts`,
  });
  const kept = [...rows.map((row) => String(row['job_id'])), ...pair.control.artifacts.jobIds];
  expect(kept.filter((id) => !ids.has(id))).toEqual([]);
}
