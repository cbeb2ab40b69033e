/** What can be asked of jobs, attempts, events and workers; each answer reads only the rows it shows. */
import type { Attempt, EventPage, Job, JobPage } from '../contract/job.ts';
import type { QueryOf } from '../contract/routes.ts';
import type { Stats } from '../contract/system.ts';
import type { Worker } from '../contract/worker.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { isEnded, jobMachine } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import type { WorkerState } from '../domain/worker.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Row, Statement } from '../store/database.ts';
import { kindOf } from '../store/statements/by-state.ts';
import { integer, text } from '../store/statements/columns.ts';
import { eventsOfJob } from '../store/statements/events.ts';
import {
  listJobs,
  listJobsByQueue,
  listJobsByQueueAndState,
  listJobsByStates,
  newestAttempt,
  pastAttempts,
  probe,
} from '../store/statements/lists.ts';
import { countsAfter, gateOfJob } from '../store/statements/queues.ts';
import { countOnline, workerById, workersInState } from '../store/statements/workers.ts';
import { whyBackedOff } from './backed-off.ts';
import { cursorOf, seqOf } from './cursor.ts';
import { eventsGone, goneBefore } from './events/gone.ts';
import { readJob, resolveJobId } from './job-rows.ts';
import { countsOf } from './queue-rows.ts';
import { whyQueueWaits } from './queue-waiting.ts';
import { isSearch, searchJobs, statesOf } from './search.ts';
import type { Signals } from './signals.ts';
import { readJobRows } from './spec-pages.ts';
import { readChildren, whyBlocked } from './together/family.ts';
import { attemptOf, eventOf, jobOf, workerOf } from './views.ts';
import type { VmBoard } from './vm-board.ts';
import { whyHeld, whyNobody, whyWaiting } from './waiting.ts';
import { Wakeup } from './wakeup.ts';

/** What the answers are made from. */
export interface JobQueriesDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly signals: Signals;
  /** What workers say that jobs lack; without, a claimed job does not say why it has not started. */
  readonly vms?: Pick<VmBoard, 'lacking'>;
}

/** The questions. Each may also reject with STORE_UNAVAILABLE. */
export class JobQueries {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #vms: JobQueriesDeps['vms'];

  constructor(deps: JobQueriesDeps) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
    this.#vms = deps.vms;
  }

  /** The full id. Throws JOB_NOT_FOUND (for a start of an id only) or JOB_ID_AMBIGUOUS. */
  resolveId(idOrPrefix: string): Promise<string> {
    return resolveJobId(this.#db, idOrPrefix);
  }

  /** One job; one that is pending, claimed, blocked or backed off says why. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS. */
  async get(idOrPrefix: string): Promise<Job> {
    const id = await this.resolveId(idOrPrefix);
    const row = await readJob(this.#db, id);
    const job = jobOf(row);
    if (job.state === 'blocked') return { ...job, waiting: await whyBlocked(this.#db, id) };
    if (job.state === 'scheduled') return { ...job, waiting: whyBackedOff(job) };
    if (job.state === 'claimed') return { ...job, waiting: await this.#whyNotStarted(job) };
    if (job.state !== 'pending') return job;
    const [gate] = await this.#db.query(gateOfJob.with({ seq: integer(row, 'seq') }));
    const held = gate === undefined ? null : whyQueueWaits(gate);
    return { ...job, waiting: held ?? (await this.#whyNobodyTakes(job)) };
  }

  async #whyNotStarted(job: Job): Promise<string | null> {
    const lacking = this.#vms?.lacking(job);
    if (lacking === undefined || job.workerId === null) return null;
    const [worker] = await this.#db.query(workerById.with({ id: job.workerId }));
    return worker === undefined ? null : whyHeld(text(worker, 'name'), lacking);
  }

  async #whyNobodyTakes({ spec, memoryMiB }: Job): Promise<string | null> {
    const online = await this.#workersIn('online');
    if (online.length > 0) return whyWaiting({ ...spec, memoryMiB }, online);
    return whyNobody((await this.#workersIn('draining')).length);
  }

  /** The job when it has ended, or as it is after `waitMs` or when `signal` aborts. */
  async waitEnded(idOrPrefix: string, waitMs: number, signal: AbortSignal): Promise<Job> {
    const id = await this.resolveId(idOrPrefix);
    const untilMs = this.#clock.monotonicMs() + waitMs;
    const wakeup = new Wakeup({ clock: this.#clock, signal });
    // Listening starts before the first look, so that an end in between is not missed.
    const unsubscribe = this.#signals.onEnded(id, () => wakeup.wake());
    try {
      for (let isOver = waitMs === 0; ; ) {
        const job = await this.get(id);
        if (isEnded(job.state) || isOver || signal.aborted) return job;
        isOver = (await wakeup.next(Math.max(0, untilMs - this.#clock.monotonicMs()))) !== 'woken';
      }
    } finally {
      unsubscribe();
    }
  }

  /** A page of jobs, newest first. Throws VALIDATION_FAILED for a bad cursor. */
  async list(query: QueryOf<'listJobs'>): Promise<JobPage> {
    const limit = query.limit ?? defaults.pageSize;
    const before = query.cursor === undefined ? limits.integerMax : seqOf('jobs', query.cursor);
    if (isSearch(query)) return searchJobs(this.#db, query, { before, limit });
    const { rows, nextCursor } = await readJobRows('jobs', before, limit, (from, most) =>
      this.#db.query(listStatement(query, { before: from, limit: most })),
    );
    return { jobs: rows.map((row) => jobOf(row)), nextCursor };
  }

  /** The newest attempts of a job, oldest first. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS. */
  async attempts(idOrPrefix: string): Promise<Attempt[]> {
    const jobId = await this.#existing(idOrPrefix);
    // In this order: one that becomes a past one in between is there twice, not missing.
    const newest = await this.#db.query(newestAttempt.with({ jobId }));
    const past = await this.#db.query(pastAttempts.with({ jobId, limit: limits.pageMax }));
    const attempts = [...past].reverse().concat(newest).map(attemptOf);
    const byNumber = new Map(attempts.map((each) => [each.attempt, each]));
    return [...byNumber.values()].slice(-limits.pageMax);
  }

  /** The jobs that run after a job, oldest first. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, VALIDATION_FAILED. */
  async children(idOrPrefix: string, query: QueryOf<'listChildren'> = {}): Promise<JobPage> {
    return readChildren(this.#db, await this.#existing(idOrPrefix), query);
  }

  /** What happened to a job, oldest first. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, VALIDATION_FAILED, EVENTS_GONE. */
  async events(idOrPrefix: string, query: QueryOf<'listJobEvents'> = {}): Promise<EventPage> {
    const jobId = await this.#existing(idOrPrefix);
    const limit = query.limit ?? defaults.pageSize;
    const after = query.cursor === undefined ? 0 : seqOf('jobEvents', query.cursor);
    const rows = await this.#db.query(eventsOfJob.with({ jobId, after, limit }));
    const oldest = await goneBefore(this.#db, after, jobId);
    if (oldest !== null) throw eventsGone(after, oldest);
    return { events: rows.map(eventOf), nextCursor: cursorAfter(rows, limit) };
  }

  /** Workers, those online first, then draining and offline ones, newest first; `limits.pageMax` at most. */
  async workers(): Promise<Worker[]> {
    const workers: Worker[] = [];
    for (const state of ['online', 'draining', 'offline'] as const) {
      workers.push(...(await this.#workersIn(state, limits.pageMax - workers.length)));
    }
    return workers;
  }

  /** Throws WORKER_NOT_FOUND. */
  async worker(id: string): Promise<Worker> {
    const [row] = await this.#db.query(workerById.with({ id }), { level: 'linearizable' });
    if (row === undefined) throw new BlixardError('WORKER_NOT_FOUND', { workerId: id });
    return workerOf(row);
  }

  async stats(): Promise<Stats> {
    const counts = await this.#db.query(countsAfter.with({ after: '', limit: limits.countsMax }));
    const [online] = await this.#db.query(countOnline.with({}));
    return {
      jobs: counts.flatMap(pairsOf).slice(0, limits.countsMax),
      workersOnline: online === undefined ? 0 : integer(online, 'n'),
    };
  }

  /** Resolves when the store answers. Throws STORE_UNAVAILABLE. */
  async ready(): Promise<void> {
    await this.#db.query(probe.with({}), { level: 'linearizable' });
  }

  async #existing(idOrPrefix: string): Promise<string> {
    const id = await this.resolveId(idOrPrefix);
    await readJob(this.#db, id);
    return id;
  }

  async #workersIn(state: WorkerState, limit: number = limits.pageMax): Promise<Worker[]> {
    const rows = await this.#db.query(workersInState.with({ state, limit }));
    return rows.map(workerOf);
  }
}

/** The totals of a queue, each with its state. */
function pairsOf(row: Row): Stats['jobs'] {
  const queue = text(row, 'queue');
  return Object.entries(countsOf(row)).map(([state, count]) => ({ queue, state, count }));
}

function listStatement(query: QueryOf<'listJobs'>, page: { before: number; limit: number }): Statement {
  const { queue } = query;
  const states = statesOf(query);
  if (queue === undefined)
    return states === undefined
      ? listJobs.with(page)
      : listJobsByStates.with({ ...page, states: JSON.stringify(states) });
  const [state, ...others] = states ?? jobMachine.states;
  if (state !== undefined && others.length === 0)
    return listJobsByQueueAndState[kindOf(state)].with({ ...page, queue, state });
  return listJobsByQueue.with({ ...page, queue, states: JSON.stringify(states ?? jobMachine.states) });
}

/** A full page of events may have another behind it. */
function cursorAfter(rows: readonly Row[], limit: number): string | null {
  const last = rows.at(-1);
  return last === undefined || rows.length < limit ? null : cursorOf('jobEvents', integer(last, 'seq'));
}
