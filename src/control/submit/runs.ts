/** Runs of a batch: what jobs that come one after another have in common is told to the store once for all of them. */
import { ofRun } from '../../store/statements/batch.ts';
import { toldOfSet } from '../../store/statements/inserts.ts';
import type { NewJob } from '../../store/statements/jobs.ts';
import type { Draft } from './draft.ts';

/** Jobs that differ in their ids only. */
export interface Run {
  /** How many jobs of the batch stand before it. */
  readonly place: number;
  readonly first: NewJob;
  /** Of all of them, in their order. */
  readonly ids: string[];
}

/** The runs of a batch in its order; each is as long as it can be. */
export function runsOf(drafts: readonly Pick<Draft, 'job'>[]): Run[] {
  const runs: Run[] = [];
  let run: Run | undefined;
  for (const [place, { job }] of drafts.entries()) {
    if (run !== undefined && isAlike(job, run.first)) {
      run.ids.push(job.id);
    } else {
      run = { place, first: job, ids: [job.id] };
      runs.push(run);
    }
  }
  return runs;
}

/** As `insertJobs` takes them. */
export function textOfRuns(runs: readonly Run[]): string {
  return JSON.stringify(
    runs.map(({ place, ids, first }) => [place, ids, ...ofRun.map((name) => first[name])]),
  );
}

/** What one event tells of all jobs of the runs; undefined where one would not do. */
export function setOf(runs: readonly Run[]): NewJob | undefined {
  const [all] = runs;
  const isOne = runs.every(({ first }) => toldOfSet.every((name) => first[name] === all?.first[name]));
  return isOne ? all?.first : undefined;
}

/** A loop, because it is asked of every job. */
function isAlike(job: NewJob, other: NewJob): boolean {
  for (const name of ofRun) if (job[name] !== other[name]) return false;
  return true;
}
