/** Holds a whole store to the invariants: reads it page by page, and changes nothing. */
import { limits } from '../../domain/limits.ts';
import { integer } from '../statements/columns.ts';
import type { Findings } from './findings.ts';
import { type StoreReader, sizes } from './reads.ts';
import { replayJobs } from './replay-jobs.ts';
import { OrderReplay } from './replay-order.ts';
import { rules } from './rules.ts';

/** What is known of a store beside what is in it. */
export interface Known {
  /** Numbers of the newest events when a wall clock was set back, ascending; those of claims tell of it, too. */
  readonly clockSetBackAfter?: readonly number[];
}

/** Adds what it finds. The store must stand still, or `store` see one state of it throughout. */
export async function verifyStore(store: StoreReader, found: Findings, known: Known = {}): Promise<void> {
  const [size = {}] = await store.query(sizes.with({}));
  for (const { invariant, rule, over, sql } of rules) {
    found.looked(invariant, rule, over, integer(size, over));
    const rows = await store.query({ sql: `${sql} LIMIT ${limits.violationsShown + 1}` });
    for (const [index, row] of rows.entries())
      found.violated(invariant, rule, index < limits.violationsShown ? JSON.stringify(row) : null);
  }
  // What was forgotten of the events is not missing; the replays then begin in the middle.
  const wholeStory = integer(size, 'first_event') === 1;
  await new OrderReplay(found, wholeStory, known.clockSetBackAfter).run(store);
  const { jobs, events } = await replayJobs(store, found, wholeStory);
  const replayed = 'all events, replayed';
  for (const invariant of ['I1', 'I3', 'I4', 'I9'] as const) {
    found.looked(invariant, replayed, 'jobs', jobs);
    found.looked(invariant, replayed, 'events', events);
  }
  for (const invariant of ['I5', 'I8', 'I9'] as const)
    found.looked(invariant, replayed, 'events', integer(size, 'events'));
}
