/** What the model knows of what attempts tell: progress, result and artifacts, and when they are shown. */
import type { Job } from '../../contract/job.ts';
import { isEnded } from '../../domain/job.ts';
import type { ModelJob } from './model-parts.suite.ts';

interface OfAttempt {
  readonly attempt: number;
}

/** An artifact is a short text here. */
export interface ModelArtifact extends OfAttempt {
  readonly file: string;
  readonly text: string;
}

/** Of all attempts of a job. */
export interface ModelTold {
  progress: (OfAttempt & NonNullable<Job['progress']>) | undefined;
  result: (OfAttempt & { readonly text: string }) | undefined;
  readonly artifacts: ModelArtifact[];
}

export function nothingTold(): ModelTold {
  return { progress: undefined, result: undefined, artifacts: [] };
}

/** That of the newest attempt, also when it has ended; a retry has none until it tells some. */
export function shownProgress({ attempt, told }: ModelJob): Job['progress'] {
  if (told.progress?.attempt !== attempt) return null;
  const { percent, message, atMs } = told.progress;
  return { percent, message, atMs };
}

/** That of the newest attempt, once nobody has that any more. */
export function shownResult(job: ModelJob): string | undefined {
  const { attempt, told } = job;
  return hasEnded(job, attempt) && told.result?.attempt === attempt ? told.result.text : undefined;
}

/** What `results.list` tells: those of an attempt, by name, once nobody has it any more. */
export function shownArtifacts(job: ModelJob, attempt: number): { ended: boolean; files: ModelArtifact[] } {
  const ended = isEnded(job.state) || hasEnded(job, attempt);
  const files = ended ? job.told.artifacts.filter((each) => each.attempt === attempt) : [];
  return { ended, files: files.sort((a, b) => (a.file < b.file ? -1 : 1)) };
}

function hasEnded({ attempt: newest, holder }: ModelJob, attempt: number): boolean {
  return attempt > 0 && (attempt < newest || holder === undefined);
}
