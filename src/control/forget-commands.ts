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
  forgetEnded,
  forgetEvents,
  forgetJob,
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
  #sweeping: Promise<void> = Promise.resolve();

  constructor(deps: ForgetDeps) {
    this.#deps = deps;
    this.#retainEventsMs = deps.retainEventsMs ?? defaults.retainEventsMs;
  }

  /**
   * Forgets all that was kept long enough, and what an earlier process left of that; gives when the next is
   * due, epoch ms.
   */
  async forgetDue(): Promise<number> {
    await this.#sweepLogs();
    const nextMs = Math.min(await this.#forgetJobs(), await this.#forgetEvents());
    await this.#sweepLogs();
    return nextMs;
  }

  /** Forgets ended jobs of a queue, at most `limit`. Rejects with STORE_UNAVAILABLE. */
  async purge(queue: string, body: Purge): Promise<Purged> {
    const { states = endedStates, olderThanMs = 0, limit = limits.jobsPerStep } = body;
    const beforeMs = this.#deps.clock.nowMs() - olderThanMs;
    let purged = 0;
    try {
      for (const state of new Set(states)) {
        if (purged < limit)
          purged += await this.#forgetStep({ queue, state, beforeMs, limit: limit - purged });
      }
    } finally {
      // The jobs of the states before one that failed are gone.
      await this.#sweepLogs();
    }
    return { purged, more: purged === limit && (await this.#isLeft(queue, states, beforeMs)) };
  }

  /** Forgets one job. Throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_ENDED. */
  async remove(idOrPrefix: string): Promise<{ id: string }> {
    const { db, clock } = this.#deps;
    const id = await resolveJobId(db, idOrPrefix);
    const [result] = await db.batch([forgetJob.with({ id, nowMs: clock.nowMs() })]);
    if (result?.rows.length !== 1)
      throw new BlixardError('JOB_NOT_ENDED', { jobId: id, state: jobStateOf(await readJob(db, id)) });
    await this.#sweepLogs();
    return { id };
  }

  async #isLeft(queue: string, states: readonly EndedState[], beforeMs: number): Promise<boolean> {
    const { db } = this.#deps;
    const [row] = await db.query(firstEndedOfQueue.with({ queue }), { level: 'linearizable' });
    if (row === undefined) return false;
    return states.some((state) => (firstEndedAtMs(row, state) ?? Number.POSITIVE_INFINITY) <= beforeMs);
  }

  /** Gives when the next job is due, epoch ms. */
  async #forgetJobs(): Promise<number> {
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
          await this.#forgetAll(after, state, nowMs - retainedMs);
          again = true;
        }
      }
      if (rows.length < limit) return again ? this.#forgetJobs() : nextMs;
    }
  }

  async #forgetAll(queue: string, state: EndedState, beforeMs: number): Promise<void> {
    const limit = limits.jobsPerStep;
    while ((await this.#forgetStep({ queue, state, beforeMs, limit })) === limit) await this.#sweepLogs();
  }

  async #forgetStep(step: {
    queue: string;
    state: string;
    beforeMs: number;
    limit: number;
  }): Promise<number> {
    const { db, clock } = this.#deps;
    const [result] = await db.batch([forgetEnded.with({ ...step, nowMs: clock.nowMs() })]);
    return result?.rows.length ?? 0;
  }

  /** The events from the first to the first that is young enough; gives when the next is due, epoch ms. */
  async #forgetEvents(): Promise<number> {
    const { db, clock } = this.#deps;
    for (;;) {
      const oldest = await db.query(oldestEvents.with({ limit: limits.eventsPerStep }));
      const beforeMs = clock.nowMs() - this.#retainEventsMs;
      // The newest event stays, so that the sequence goes on from it.
      const kept = oldest.find((row) => integer(row, 'at_ms') > beforeMs) ?? oldest.at(-1);
      if (kept === undefined) return Number.POSITIVE_INFINITY;
      if (kept === oldest[0]) {
        const dueAtMs = integer(kept, 'at_ms') + this.#retainEventsMs;
        return dueAtMs <= clock.nowMs() ? Number.POSITIVE_INFINITY : dueAtMs + 1;
      }
      await db.batch([forgetEvents.with({ before: integer(kept, 'seq') })]);
    }
  }

  /** One sweep at a time: two would remove the same folders. */
  #sweepLogs(): Promise<void> {
    const sweep = this.#sweeping.then(() => this.#sweep());
    this.#sweeping = sweep.catch(() => this.#deps.signals.logsLeft());
    return sweep;
  }

  async #sweep(): Promise<void> {
    const { db, logs } = this.#deps;
    for (;;) {
      const rows = await db.query(logsToRemove.with({ limit: limits.jobsPerStep }), {
        level: 'linearizable',
      });
      if (rows.length === 0) return;
      const ids = rows.map((row) => text(row, 'job_id'));
      failpoint('jobs-forgotten');
      for (const id of ids) await logs.remove(id);
      const gone = { ids: JSON.stringify(ids), limit: limits.answersPerStep };
      await db.batch([forgetAnswers.with(gone), logsRemoved.with(gone)]);
    }
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
