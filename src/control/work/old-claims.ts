/** Claims that reached nobody: told to their worker, which gives back what it does not know of. */
import type { AttemptRef } from '../../contract/worker.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database } from '../../store/database.ts';
import { integer, text } from '../../store/statements/columns.ts';
import { unstartedClaims } from '../../store/statements/work.ts';
import type { Holder } from '../fence.ts';

interface OldClaimsDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/** Looks for them once in a lease of each live worker. */
export class OldClaims {
  readonly #deps: OldClaimsDeps;
  /** When the old claims of a worker were last looked at, monotonic ms; at most one entry per live worker. */
  readonly #lookedAtMs = new Map<string, number>();

  constructor(deps: OldClaimsDeps) {
    this.#deps = deps;
  }

  /** Whether it is time to look for those of a worker. */
  isDue({ workerId }: Holder): boolean {
    const { clock, leaseMs } = this.#deps;
    const lookedAtMs = this.#lookedAtMs.get(workerId);
    return lookedAtMs === undefined || clock.monotonicMs() - lookedAtMs >= leaseMs;
  }

  /**
   * Claims that a live worker has had for a lease and not started. A call that came twice, the second time after its
   * answer, has claimed for nobody. Rejects with STORE_UNAVAILABLE.
   */
  async of(holder: Holder): Promise<AttemptRef[]> {
    const { clock, db, leaseMs } = this.#deps;
    this.#lookedAtMs.set(holder.workerId, clock.monotonicMs());
    const values = { ...holder, beforeMs: clock.nowMs() - leaseMs, limit: limits.workMax };
    const rows = await db.query(unstartedClaims.with(values));
    return rows.map((row) => ({ jobId: text(row, 'id'), attempt: integer(row, 'attempt') }));
  }

  /** A worker is gone. */
  forget(workerId: string): void {
    this.#lookedAtMs.delete(workerId);
  }
}
