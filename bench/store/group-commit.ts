/** Submits of 50 clients with group commit, against one transaction per request. */
import type { Report } from '../lib/report.ts';
import { emptyJob, inFlight, withStored } from '../lib/stored.ts';

const clients = 50;

type Submit = () => Promise<unknown>;

/** Lets one request in at a time, whoever waits: none shares a transaction, nor an fsync, with another. */
function oneByOne(submit: Submit): Submit {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const mine = last.then(submit);
    last = mine;
    return mine;
  };
}

async function perSecond(submit: Submit, count: number): Promise<number> {
  const start = performance.now();
  await inFlight(count, clients, submit);
  return (count * 1_000) / (performance.now() - start);
}

export async function benchGroupCommit(report: Report, jobs: number): Promise<void> {
  await withStored(async (stored) => {
    const grouped = () => stored.jobs.submit(emptyJob);
    const alone = oneByOne(grouped);
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
