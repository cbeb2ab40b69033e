/** Submits of 50 clients with group commit, against one transaction per request. */
import type { Database } from '../../src/store/database.ts';
import type { Report } from '../lib/report.ts';
import { emptyJob, inFlight, Stored, withStored } from '../lib/stored.ts';

const clients = 50;

/** Hands the store one batch at a time, so each has a transaction, and an fsync, of its own. */
function oneByOne(db: Database): Database {
  let last: Promise<unknown> = Promise.resolve();
  return {
    query: (statement, options) => db.query(statement, options),
    batch: (statements) => {
      const mine = last.then(() => db.batch(statements));
      last = mine;
      return mine;
    },
    close: () => Promise.resolve(),
  };
}

async function perSecond(stored: Stored, count: number): Promise<number> {
  const start = performance.now();
  await inFlight(count, clients, () => stored.jobs.submit(emptyJob));
  return (count * 1_000) / (performance.now() - start);
}

export async function benchGroupCommit(report: Report, jobs: number): Promise<void> {
  await withStored(async (grouped) => {
    const alone = new Stored(grouped.db, oneByOne(grouped.db));
    const name = `submits of ${clients} clients, group commit (baseline: a transaction each)`;
    const rates = { grouped: 0, alone: 0 };
    // In turns, so that whatever else the machine does meets both alike.
    for (let round = 0; round < 3; round++) {
      rates.grouped += await perSecond(grouped, jobs);
      rates.alone += await perSecond(alone, Math.ceil(jobs / 4));
    }
    report.add(name, 'jobs/s', rates.grouped / 3, rates.alone / 3);
  });
}
