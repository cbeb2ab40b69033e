/** Stores many submitted jobs in one atomic batch, and says on which line one stands that cannot be stored. */
import { isDeepStrictEqual } from 'node:util';
import type { Job, JobSpec, SubmitJob } from '../../contract/job.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Row } from '../../store/database.ts';
import { insertJobs, insertJobsData, jobsByIds, obstacles } from '../../store/statements/batch.ts';
import { integer, json, text, textOrNull } from '../../store/statements/columns.ts';
import { tellSubmitted } from '../../store/statements/inserts.ts';
import { unknownIds } from '../../store/statements/together.ts';
import { badValue } from '../http/validation.ts';
import { parentsFirst } from '../together/order.ts';
import { settling, tellSettled } from '../together/parent-ends.ts';
import { jobOf } from '../views.ts';
import { forEachLine, refusedLine } from './batch-line.ts';
import { type Draft, draftOf } from './draft.ts';
import { submittedJob } from './new-job.ts';
import { runsOf, setOf, textOfRuns } from './runs.ts';
import { imageUnknown, keepingKey, type SubmitDeps, tellKeyPolicy } from './submits.ts';
import { tellReady, tellTimes } from './tell-drafts.ts';

/** Submits of many jobs at once. */
export class BatchSubmits {
  readonly #deps: SubmitDeps;

  constructor(deps: SubmitDeps) {
    this.#deps = deps;
  }

  /** See `JobCommands.submitAll`. */
  async submit(bodies: readonly SubmitJob[]): Promise<Job[]> {
    const ids = bodies.map((body) => body.id ?? this.#deps.ids());
    for (let round = 0; round < limits.submitRounds; round++) {
      const nowMs = this.#deps.clock.nowMs();
      const drafts = forEachLine(bodies, (body, index) => draftOf(body, { id: ids[index] ?? '', nowMs }));
      assertApart(drafts);
      const family = familyOf(drafts);
      const jobs = (await this.#store(family, drafts, nowMs)) ?? (await this.#storedBefore(family, drafts));
      if (jobs !== undefined) return jobs;
      await this.#deps.forget?.filesGone(ids);
    }
    throw new BlixardError('OVERLOADED', { problem: 'what keeps the batch out keeps changing' });
  }

  async #store(family: Family, drafts: readonly Draft[], nowMs: number): Promise<Job[] | undefined> {
    const { parents, children } = family;
    const named = parents.length === 0 ? null : JSON.stringify(parents);
    const keeping = keepingKey(drafts);
    const runs = runsOf(family.order);
    const set = setOf(runs);
    const token = set === undefined ? null : '';
    const storing = [
      insertJobs.with({ runs: textOfRuns(runs), parents: named, token, nowMs }),
      ...(set === undefined ? [] : [tellSubmitted.with(set)]),
      insertJobsData.with({ first: family.order[0]?.job.id ?? '', specs: specsOf(family.order) }),
    ];
    const settled = children.length === 0 ? [] : settling(children, nowMs);
    const write = this.#deps.db.batch([...storing, ...keeping, ...settled]);
    tellReady(this.#deps.signals, drafts);
    const results = await write;
    const ofKeys = results.slice(storing.length, storing.length + keeping.length);
    const cancelled = tellKeyPolicy(this.#deps.signals, ofKeys);
    const stored = results[0]?.changes ?? 0;
    if (stored === 0) return undefined;
    tellTimes(this.#deps.signals, drafts);
    tellSettled(this.#deps.signals, results);
    // Those that wait for others may have gone on in the same write.
    const rows = children.length === 0 ? [] : await this.#rowsOf(children);
    const moved = new Map([...cancelled.values(), ...rows].map((row) => [text(row, 'id'), row]));
    return drafts.map((draft) => submittedJob(draft, moved.get(draft.job.id)));
  }

  /** The same jobs when they are all there: the answer was lost. Undefined when nothing is in the way any more. */
  async #storedBefore(family: Family, drafts: readonly Draft[]): Promise<Job[] | undefined> {
    const found = await this.#deps.db.query(obstacles.with({ jobs: placesOf(drafts) }), {
      level: 'linearizable',
    });
    if (found.every((row) => integer(row, 'taken') === 1)) return this.#sameJobs(drafts);
    for (const [index, row] of found.entries()) {
      const draft = drafts[index];
      if (draft !== undefined) await this.#assertFree(draft, row, index);
    }
    if (family.parents.length > 0) await this.#assertParents(family.parents, drafts);
    return undefined;
  }

  /** Undefined when one of them has been forgotten meanwhile. */
  async #sameJobs(drafts: readonly Draft[]): Promise<Job[] | undefined> {
    const rows = await this.#rowsOf(drafts.map(({ job }) => job.id));
    if (rows.length < drafts.length) return undefined;
    const rowOf = byId(rows);
    return drafts.map(({ job, spec }, index) => {
      const row = rowOf(job.id);
      if (isDeepStrictEqual(json<JobSpec>(row, 'spec'), spec)) return jobOf(row);
      throw refusedLine(index, 'JOB_ID_CONFLICT', `Job ${job.id} exists already with another spec.`);
    });
  }

  #rowsOf(ids: readonly string[]): Promise<readonly Row[]> {
    return this.#deps.db.query(jobsByIds.with({ ids: JSON.stringify(ids) }), { level: 'linearizable' });
  }

  async #assertParents(parents: readonly string[], drafts: readonly Draft[]): Promise<void> {
    const ids = JSON.stringify(parents);
    const rows = await this.#deps.db.query(unknownIds.with({ ids }), { level: 'linearizable' });
    const unknown = new Set(rows.map((row) => text(row, 'id')));
    for (const [index, { spec }] of drafts.entries()) {
      const parentId = spec.after?.find((id) => unknown.has(id));
      if (parentId === undefined) continue;
      const error = new BlixardError('PARENT_UNKNOWN', { parentId });
      throw refusedLine(index, error.code, error.message, error);
    }
  }

  async #assertFree({ job, spec }: Draft, row: Row, index: number): Promise<void> {
    if (integer(row, 'taken') === 1)
      throw refusedLine(index, 'JOB_ID_CONFLICT', `Job ${job.id} exists already.`);
    if (integer(row, 'answered') === 1) {
      const problem = `The id ${job.id} was used for a submit that was answered with another job.`;
      throw refusedLine(index, 'JOB_ID_CONFLICT', problem);
    }
    const jobId = textOrNull(row, 'holder');
    const details = { jobId, queue: job.queue, key: job.uniqueKey };
    const error =
      jobId !== null
        ? new BlixardError('UNIQUE_CONFLICT', details)
        : integer(row, 'fine') === 0
          ? await imageUnknown(this.#deps.db, spec.image)
          : undefined;
    if (error !== undefined) throw refusedLine(index, error.code, error.message, error);
  }
}

/** Two lines may not ask for the same place. */
function assertApart(drafts: readonly Draft[]): void {
  const ids = new Map<string, number>();
  const keys = new Map<string, number>();
  for (const [index, { job, policy }] of drafts.entries()) {
    const sameId = ids.get(job.id);
    if (sameId !== undefined) throw standsTwice(`The id ${job.id}`, sameId, index);
    ids.set(job.id, index);
    if (job.uniqueKey === null) continue;
    if (policy !== 'reject')
      throw refusedLine(index, 'VALIDATION_FAILED', 'unique.policy: in a batch only reject is allowed.');
    const key = `${job.queue} ${job.uniqueKey}`;
    const sameKey = keys.get(key);
    if (sameKey !== undefined) throw standsTwice(`The unique key ${job.uniqueKey}`, sameKey, index);
    keys.set(key, index);
  }
}

function standsTwice(what: string, before: number, index: number): BlixardError {
  return refusedLine(index, 'VALIDATION_FAILED', `${what} stands on line ${before + 1}, too.`);
}

/** What jobs that come together have to do with each other. */
interface Family {
  /** All of them, parents first: so a job is always stored after those it runs after. */
  readonly order: readonly Draft[];
  /** Ids of those that run after others. */
  readonly children: readonly string[];
  /** Ids they run after that are not among them. */
  readonly parents: readonly string[];
}

/** Throws BATCH_LINE_REFUSED for a cycle, and VALIDATION_FAILED for more parents than `limits.batchParents`. */
function familyOf(drafts: readonly Draft[]): Family {
  if (drafts.every(({ job }) => job.after === null)) return { order: drafts, children: [], parents: [] };
  const nodes = drafts.map(({ job, spec }) => ({ id: job.id, after: spec.after ?? [] }));
  const named = nodes.flatMap(({ after }) => after);
  if (named.length > limits.batchParents)
    throw badValue('after', `${named.length} ids`, `at most ${limits.batchParents} on all lines together`);
  const order = parentsFirst(nodes);
  if ('cycle' in order) {
    const error = new BlixardError('JOB_CYCLE', { cycle: order.cycle.join(' → ') });
    const line = nodes.findIndex(({ id }) => id === order.cycle[0]);
    throw refusedLine(line, error.code, error.message, error);
  }
  const own = new Set(nodes.map(({ id }) => id));
  return {
    order: order.flatMap((index) => drafts[index] ?? []),
    children: nodes.filter(({ after }) => after.length > 0).map(({ id }) => id),
    parents: [...new Set(named)].filter((id) => !own.has(id)),
  };
}

/** What each of them asks for that another may have. */
function placesOf(drafts: readonly Draft[]): string {
  return JSON.stringify(drafts.map(({ job }) => [job.id, job.queue, job.uniqueKey, job.image, job.executor]));
}

/** They go as text, so that they are stored as they were written. */
function specsOf(drafts: readonly Draft[]): string {
  return JSON.stringify(drafts.map(({ specText }) => specText));
}

function byId(rows: readonly Row[]): (id: string) => Row {
  const found = new Map(rows.map((row) => [text(row, 'id'), row]));
  return (id) => {
    const row = found.get(id);
    if (row === undefined) throw new BlixardError('INTERNAL', { problem: `job ${id} is not in the answer` });
    return row;
  };
}
