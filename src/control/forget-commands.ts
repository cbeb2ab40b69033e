/** Forgets: ended jobs with their attempts and logs, when told to or when kept long enough, and old events. */
import type { Purge, Purged } from '../contract/queue.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { endedStates } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import { failpoint } from '../platform/failpoint.ts';
import type { Database, Row } from '../store/database.ts';
import { forgetAnswers } from '../store/statements/answers.ts';
import { integer, integerOrNull, text } from '../store/statements/columns.ts';
import {
  firstEnded,
  firstEndedOfQueue,
  forgetEmptyQueues,
  forgetEnded,
  forgetEvents,
  forgetJob,
  logsLeftOf,
  logsRemoved,
  logsToRemove,
  oldestEvents,
} from '../store/statements/forget.ts';
import { queuesAfter } from '../store/statements/queues.ts';
import { readJob, resolveJobId } from './job-rows.ts';
import { queueOf, settingsOf } from './queue-rows.ts';
import type { Signals } from './signals.ts';
import { jobStateOf } from './views.ts';

type EndedState = (typeof endedStates)[number];

/** The jobs of a queue that ended so, up to a time, epoch ms. */
interface Ended {
  readonly queue: string;
  readonly state: EndedState;
  readonly beforeMs: number;
}

/** Files of forgotten jobs: of those with these ids, or of all, until `stop` aborts. */
interface Files {
  readonly of?: readonly string[];
  readonly stop?: AbortSignal;
}

const never = new AbortController().signal;

/** Most forgotten jobs have no files; to find that out one by one took six times as long as to forget them. */
const removedTogether = 32;

/** What it needs of the logs: all logs of a job go; that there are none is fine. */
export interface JobLogs {
  remove(jobId: string): Promise<void>;
}

interface ForgetDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly logs: JobLogs;
  readonly signals: Signals;
  /** How long events are kept; by default `defaults.retainEventsMs`. */
  readonly retainEventsMs?: number;
}

/**
 * The row of a job goes first, and with it is written that its logs must go; so no log is left that no row
 * owns, whenever the process dies. What a call that failed may leave is told to the forgetter. Each may also reject
 * with STORE_UNAVAILABLE.
 */
export class ForgetCommands {
  readonly #deps: ForgetDeps;
  readonly #retainEventsMs: number;
  #turn: Promise<void> = Promise.resolve();

  constructor(deps: ForgetDeps) {
    this.#deps = deps;
    this.#retainEventsMs = deps.retainEventsMs ?? defaults.retainEventsMs;
  }

  /**
   * Forgets all that was kept long enough, and what an earlier process left of that; gives when the next is
   * due, epoch ms. When `stop` aborts, it leaves the rest for the next time after the step it is at.
   */
  async forgetDue(stop: AbortSignal = never): Promise<number> {
    // First, because it makes room on a full disk. What keeps it from that is told below.
    await Promise.allSettled([this.#sweep({ stop })]);
    const nextMs = Math.min(await this.#forgetJobs(stop), await this.#forgetEvents(stop));
    await this.#removeFiles({ stop });
    return nextMs;
  }

  /** Forgets ended jobs of a queue, at most `limit`. Rejects with STORE_UNAVAILABLE. */
  async purge(queue: string, body: Purge): Promise<Purged> {
    const { states = endedStates, olderThanMs = 0, limit = limits.jobsPerStep } = body;
    const beforeMs = this.#deps.clock.nowMs() - olderThanMs;
    const gone: string[] = [];
    try {
      for (const state of new Set(states)) {
        if (gone.length < limit)
          gone.push(...(await this.#forgetStep({ queue, state, beforeMs, limit: limit - gone.length })));
      }
    } catch (error) {
      // The jobs of the states before one that failed are gone, and its own may be.
      this.#deps.signals.logsLeft();
      await Promise.allSettled([this.#sweep({ of: gone })]);
      throw error;
    }
    await this.#removeFiles({ of: gone });
    const purged = gone.length;
    return { purged, more: purged === limit && (await this.#isLeft(queue, states, beforeMs)) };
  }

  /** Forgets one job. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_ENDED. */
  async remove(idOrPrefix: string): Promise<{ id: string }> {
    const { db, clock } = this.#deps;
    const id = await resolveJobId(db, idOrPrefix);
    const [result] = await db.batch([forgetJob.with({ id, nowMs: clock.nowMs() })]);
    if (result?.rows.length !== 1)
      throw new BlixardError('JOB_NOT_ENDED', { jobId: id, state: jobStateOf(await readJob(db, id)) });
    await this.#removeFiles({ of: [id] });
    return { id };
  }

  /** Resolves once no files are left of forgotten jobs that had one of these ids; true when there were some. */
  async filesGone(ids: readonly string[]): Promise<boolean> {
    const left = logsLeftOf.with({ ids: JSON.stringify(ids), limit: 1 });
    const rows = await this.#deps.db.query(left, { level: 'linearizable' });
    if (rows.length === 0) return false;
    await this.#removeFiles({ of: ids });
    return true;
  }

  async #isLeft(queue: string, states: readonly EndedState[], beforeMs: number): Promise<boolean> {
    const { db } = this.#deps;
    const [row] = await db.query(firstEndedOfQueue.with({ queue }), { level: 'linearizable' });
    if (row === undefined) return false;
    return states.some((state) => (firstEndedAtMs(row, state) ?? Number.POSITIVE_INFINITY) <= beforeMs);
  }

  /** Gives when the next job is due, epoch ms. */
  async #forgetJobs(stop: AbortSignal): Promise<number> {
    const nowMs = this.#deps.clock.nowMs();
    const limit = limits.pageMax;
    let nextMs = Number.POSITIVE_INFINITY;
    let again = false;
    for (let after = ''; ; ) {
      const rows = await this.#deps.db.query(firstEnded.with({ after, limit }), { level: 'linearizable' });
      for (const [row, state] of rows.flatMap((each) => endedStates.map((state) => [each, state] as const))) {
        after = text(row, 'queue');
        const retainedMs = retentionOf(row, state);
        const endedAtMs = firstEndedAtMs(row, state);
        if (retainedMs === null || endedAtMs === null) continue;
        if (endedAtMs + retainedMs > nowMs) nextMs = Math.min(nextMs, endedAtMs + retainedMs);
        else {
          await this.#forgetAll({ queue: after, state, beforeMs: nowMs - retainedMs, stop });
          again = true;
        }
        if (stop.aborted) return nextMs;
      }
      if (rows.length < limit) return again ? this.#forgetJobs(stop) : nextMs;
    }
  }

  async #forgetAll({ stop, ...ended }: Ended & { readonly stop: AbortSignal }): Promise<void> {
    const limit = limits.jobsPerStep;
    while (!stop.aborted) {
      const gone = await this.#forgetStep({ ...ended, limit });
      if (gone.length < limit) return;
      await this.#sweep({ of: gone, stop });
    }
  }

  async #forgetStep(step: Ended & { readonly limit: number }): Promise<string[]> {
    const { db, clock } = this.#deps;
    const [result] = await db.batch([forgetEnded.with({ ...step, nowMs: clock.nowMs() })]);
    return (result?.rows ?? []).map((row) => text(row, 'id'));
  }

  /**
   * The events from the first to the first that is young enough, and what is known of queues by them alone; gives when
   * the next is due, epoch ms.
   */
  async #forgetEvents(stop: AbortSignal): Promise<number> {
    const { db, clock } = this.#deps;
    for (;;) {
      const oldest = await db.query(oldestEvents.with({ limit: limits.eventsPerStep }));
      const beforeMs = clock.nowMs() - this.#retainEventsMs;
      // The newest event stays, so that the sequence goes on from it.
      const kept = oldest.find((row) => integer(row, 'at_ms') > beforeMs) ?? oldest.at(-1);
      if (kept === undefined || stop.aborted) return Number.POSITIVE_INFINITY;
      if (kept === oldest[0]) {
        const dueAtMs = integer(kept, 'at_ms') + this.#retainEventsMs;
        return dueAtMs <= clock.nowMs() ? Number.POSITIVE_INFINITY : dueAtMs + 1;
      }
      const before = integer(kept, 'seq');
      await db.batch([forgetEmptyQueues.with({ before }), forgetEvents.with({ before })]);
    }
  }

  /** As `#sweep`; rejects with why files could not be removed. */
  async #removeFiles(which: Files): Promise<void> {
    const left = await this.#sweep(which);
    for (const error of left.values()) throw error;
  }

  /** Gives why those that are left could not be removed; they are tried again later, and no others wait for them. */
  async #sweep(which: Files): Promise<ReadonlyMap<string, unknown>> {
    const { signals } = this.#deps;
    const left = new Map<string, unknown>();
    try {
      // With so many the disk is to blame, and the rest would fail, too.
      for (let more = true; more && left.size < limits.jobsPerStep && which.stop?.aborted !== true; )
        more = await this.#inTurn(() => this.#sweepStep(which, left));
    } catch (error) {
      signals.logsLeft();
      throw error;
    }
    if (left.size > 0) signals.logsLeft();
    return left;
  }

  /** One step at a time: two would remove the same folders. Who waits for few files does not wait for all others. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(step);
    this.#turn = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  /** False when there are no more of them, but what is `left`. */
  async #sweepStep({ of, stop = never }: Files, left: Map<string, unknown>): Promise<boolean> {
    const { db, logs } = this.#deps;
    const limit = limits.jobsPerStep;
    const page =
      of === undefined
        ? logsToRemove.with({ without: JSON.stringify([...left.keys()]), limit })
        : logsLeftOf.with({ ids: JSON.stringify(of.filter((id) => !left.has(id))), limit });
    const rows = await db.query(page, { level: 'linearizable' });
    if (rows.length === 0) return false;
    failpoint('jobs-forgotten');
    const removed: string[] = [];
    const remove = async (id: string): Promise<void> => {
      try {
        await logs.remove(id);
        removed.push(id);
      } catch (error) {
        left.set(id, error);
      }
    };
    for (let from = 0; from < rows.length && !stop.aborted; from += removedTogether) {
      const some = rows.slice(from, from + removedTogether);
      await Promise.all(some.map((row) => remove(text(row, 'job_id'))));
    }
    if (removed.length === 0) return true;
    const gone = { ids: JSON.stringify(removed), limit: limits.answersPerStep };
    await db.batch([forgetAnswers.with(gone), logsRemoved.with(gone)]);
    return true;
  }

  /** What ends now is not due before this time has passed. */
  async shortestRetentionMs(): Promise<number> {
    const all = [settingsOf({}).retention];
    for (let after = ''; ; ) {
      const rows = await this.#deps.db.query(queuesAfter.with({ after, limit: limits.pageMax }));
      for (const row of rows) {
        after = text(row, 'name');
        all.push(queueOf(after, row, undefined).retention);
      }
      if (rows.length < limits.pageMax) break;
    }
    const times = all.flatMap((retention) => Object.values(retention));
    return Math.min(this.#retainEventsMs, ...times.map((ms) => ms ?? Number.POSITIVE_INFINITY));
  }
}

function firstEndedAtMs(row: Row, state: EndedState): number | null {
  return integerOrNull(row, `first_${state}_at_ms`);
}

function retentionOf(row: Row, state: EndedState): number | null {
  if (row['name'] === null) return settingsOf({}).retention[`${state}Ms`];
  return integerOrNull(row, `${state}_ms`);
}
