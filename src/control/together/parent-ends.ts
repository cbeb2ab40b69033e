/** Tells the children of ended jobs: some run now, some end with their parent; bounded steps, each one atomic write. */
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database, Result, Row, Statement } from '../../store/database.ts';
import { integer, text } from '../../store/statements/columns.ts';
import {
  endChildren,
  parentsTold,
  releaseChildren,
  tellChildren,
  untoldChildren,
} from '../../store/statements/together.ts';
import { tellMoved } from '../moved.ts';
import type { Signals } from '../signals.ts';

/**
 * That a parent has ended is on disk with its end, and so is what is left to tell: it may be done again, at any time
 * and by any control node.
 */
export class ParentEnds {
  readonly #deps: { readonly db: Database; readonly clock: Clock; readonly signals: Signals };

  constructor(deps: { db: Database; clock: Clock; signals: Signals }) {
    this.#deps = deps;
  }

  /** Tells all children that are to be told, and those of the ones that end by it. Rejects with STORE_UNAVAILABLE. */
  async tellAll(): Promise<void> {
    const { db } = this.#deps;
    for (;;) {
      const step = untoldChildren.with({ limit: limits.jobsPerStep });
      const rows = await db.query(step, { level: 'linearizable' });
      if (rows.length === 0) return;
      await this.#tell(rows);
    }
  }

  async #tell(rows: readonly Row[]): Promise<void> {
    const { db, clock, signals } = this.#deps;
    const told = rows.filter((row) => row['child_id'] !== null);
    const edges = told.map((row) => ({
      parentId: text(row, 'parent_id'),
      childSeq: integer(row, 'child_seq'),
    }));
    const parents = [...new Set(rows.map((row) => text(row, 'parent_id')))];
    const results = await db.batch([
      tellChildren.with({ edges: JSON.stringify(edges) }),
      ...settling(
        told.map((row) => text(row, 'child_id')),
        clock.nowMs(),
      ),
      parentsTold.with({ parents: JSON.stringify(parents) }),
    ]);
    tellSettled(signals, results);
  }
}

/** Of these jobs, the blocked ones whose parents have decided it go on or end. */
export function settling(ids: readonly string[], nowMs: number): Statement[] {
  const values = { ids: JSON.stringify(ids), nowMs };
  // First those that must not run: what is left with no open parent may.
  return [endChildren.with(values), releaseChildren.with(values)];
}

/** Tells the rest of the process what a batch with `settling` has moved. */
export function tellSettled(signals: Signals, results: readonly Result[]): void {
  const moved = results.flatMap((result) => result.rows).filter((row) => 'is_waited_for' in row);
  tellMoved(signals, moved);
}
