/** The store as the commands of a control node see it: a write that was not answered may be in it all the same. */
import { isBlixardError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../store/database.ts';
import type { Signals } from './signals.ts';

/**
 * The same store. After a write whose outcome nobody knows, all who wait for something look anew: a job or a schedule
 * that was stored by it would otherwise be due without anybody waiting for it, one that it made ready would wait until
 * something else wakes a worker, the end of one that it ended would be seen by nobody who waits for it, and the logs of
 * jobs that were forgotten by it would be left.
 */
export function tellingStore(db: Database, { signals, clock }: { signals: Signals; clock: Clock }): Database {
  const lookAnew = (): void => {
    const nowMs = clock.nowMs();
    signals.due(nowMs);
    signals.slot(nowMs);
    signals.maybeReady();
    signals.maybeMoved();
    signals.parentEnded();
    signals.queueSet();
  };
  return {
    batch: (statements) => {
      const written = db.batch(statements);
      written.catch((error: unknown) => {
        if (isBlixardError(error, 'STORE_UNAVAILABLE')) lookAnew();
      });
      return written;
    },
    query: (statement, options) => db.query(statement, options),
    close: () => db.close(),
  };
}
