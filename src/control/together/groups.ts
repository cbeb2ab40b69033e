/** Groups of jobs: what is in them, the wait for their end, and their cancel. */
import type { QueryOf } from '../../contract/routes.ts';
import type { Group, GroupCancelled, GroupPage } from '../../contract/together.ts';
import { defaults } from '../../domain/defaults.ts';
import { BlixardError } from '../../domain/errors.ts';
import { isEnded, jobMachine } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database, Row } from '../../store/database.ts';
import { integer, integerOrNull, text } from '../../store/statements/columns.ts';
import { cancelOfGroup, groupByName, groupsAfter } from '../../store/statements/together.ts';
import { cursorOf, nameOf } from '../cursor.ts';
import { tellMoved } from '../moved.ts';
import type { Signals } from '../signals.ts';
import { jobStateOf } from '../views.ts';
import { Wakeup } from '../wakeup.ts';

/** Each may also reject with STORE_UNAVAILABLE. */
export class Groups {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #signals: Signals;

  constructor(deps: { db: Database; clock: Clock; signals: Signals }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
  }

  /** A page of the groups that have jobs, by name. Throws VALIDATION_FAILED for a bad cursor. */
  async list(query: QueryOf<'listGroups'> = {}): Promise<GroupPage> {
    const { limit = defaults.pageSize, cursor } = query;
    const after = cursor === undefined ? '' : nameOf('groups', cursor);
    const groups = (await this.#db.query(groupsAfter.with({ after, limit }))).map(groupOf);
    const last = groups.length < limit ? undefined : groups.at(-1);
    return { groups, nextCursor: last === undefined ? null : cursorOf('groups', last.name) };
  }

  /** Throws GROUP_NOT_FOUND. */
  async get(name: string): Promise<Group> {
    const [row] = await this.#db.query(groupByName.with({ name }), { level: 'linearizable' });
    if (row === undefined) throw new BlixardError('GROUP_NOT_FOUND', { group: name });
    return groupOf(row);
  }

  /** The group when all of its jobs have ended, or as it is after `waitMs` or when `signal` aborts. */
  async waitFinished(name: string, waitMs: number, signal: AbortSignal): Promise<Group> {
    const untilMs = this.#clock.monotonicMs() + waitMs;
    const wakeup = new Wakeup({ clock: this.#clock, signal });
    // Listening starts before the first look, so that an end in between is not missed.
    const unsubscribe = this.#signals.onGroupMoved(name, () => wakeup.wake());
    try {
      for (;;) {
        const group = await this.get(name);
        const leftMs = untilMs - this.#clock.monotonicMs();
        if (group.finished || leftMs <= 0 || signal.aborted) return group;
        await wakeup.next(leftMs);
      }
    } finally {
      unsubscribe();
    }
  }

  /**
   * Cancels the oldest jobs of the group that have not ended, as many as one commit may hold: one that runs is asked to
   * stop, any other ends at once; who and why are kept. Throws GROUP_NOT_FOUND.
   */
  async cancel(
    name: string,
    reason: string | null = null,
    by: string | null = null,
  ): Promise<GroupCancelled> {
    const limit = limits.jobsPerStep;
    const [result] = await this.#db.batch([
      cancelOfGroup.with({ name, reason, by, limit, nowMs: this.#clock.nowMs() }),
    ]);
    const rows = result?.rows ?? [];
    if (rows.length === 0) await this.get(name);
    tellMoved(this.#signals, rows);
    for (const row of rows) {
      // A claim that was never started has a worker, too: it may be booting a VM for it.
      if (row['worker_id'] !== null)
        this.#signals.cancel(text(row, 'worker_id'), {
          jobId: text(row, 'id'),
          attempt: integer(row, 'attempt'),
        });
    }
    const cancelled = rows.filter((row) => isEnded(jobStateOf(row))).length;
    return { cancelled, stopping: rows.length - cancelled, more: rows.length === limit };
  }
}

function groupOf(row: Row): Group {
  const counted = jobMachine.states.map((state) => [state, integer(row, state)] as const);
  const present = counted.filter(([, n]) => n > 0);
  return {
    name: text(row, 'name'),
    counts: Object.fromEntries(present),
    finished: present.every(([state]) => isEnded(state)),
    oldestAtMs: integerOrNull(row, 'oldest_at_ms'),
    newestAtMs: integerOrNull(row, 'newest_at_ms'),
  };
}
