/** Searches of jobs: by the best index there is, looking at a bounded number of jobs for each page. */
import type { JobPage } from '../contract/job.ts';
import type { QueryOf } from '../contract/routes.ts';
import { defaults, limits } from '../domain/limits.ts';
import type { Database } from '../store/database.ts';
import { integer } from '../store/statements/columns.ts';
import { createdUpTo, floors, searches, type WalkName } from '../store/statements/search.ts';
import { cursorOf } from './cursor.ts';
import { jobOf } from './views.ts';

type Query = QueryOf<'listJobs'>;

/** True when a list by state and queue alone does not answer it. */
export function isSearch({ label, tenant, group, text, createdAfterMs, createdBeforeMs }: Query): boolean {
  return [label, tenant, group, text, createdAfterMs, createdBeforeMs].some((asked) => asked !== undefined);
}

/** The next page of a search; `before` is the sequence number where the page before ended. */
export async function searchJobs(
  db: Database,
  query: Query,
  page: { readonly before: number; readonly limit: number },
): Promise<JobPage> {
  const walk = walkOf(query);
  const range = await rangeOf(db, query);
  const values = { ...valuesOf(query), floor: range.floor, before: Math.min(page.before, range.before) };
  const [end] = await db.query(floors[walk].with({ ...values, looked: limits.searchedPerPage }));
  const floor = end === undefined ? values.floor : integer(end, 'seq');
  const rows = await db.query(searches[walk].with({ ...values, floor, limit: page.limit }));
  const last = rows.at(-1);
  const jobs = rows.map((row) => jobOf(row));
  if (last !== undefined && rows.length === page.limit)
    return { jobs, nextCursor: cursorOf(integer(last, 'seq')) };
  return { jobs, nextCursor: end === undefined ? null : cursorOf(floor + 1) };
}

/** The index that is most likely to lead past few others. */
function walkOf({ label = [], tenant, group, queue, state }: Query): WalkName {
  if (group !== undefined) return 'group';
  if (label.length > 0) return 'label';
  // Most jobs are of the default tenant, so there is no index of those.
  if (tenant !== undefined && tenant !== defaults.tenant) return 'tenant';
  if (queue !== undefined) return state === undefined ? 'queue' : 'queueAndState';
  return state === undefined ? 'all' : 'state';
}

function valuesOf({ label = [], tenant, group, queue, state, text, createdAfterMs, createdBeforeMs }: Query) {
  const labels = label.map(partsOf);
  const [first] = labels;
  return {
    state: state ?? null,
    queue: queue ?? null,
    tenant: tenant ?? null,
    group: group ?? null,
    text: text ?? null,
    labels: JSON.stringify(labels.slice(1)),
    labelName: first?.[0] ?? null,
    labelValue: first?.[1] ?? null,
    createdAfterMs: createdAfterMs ?? null,
    createdBeforeMs: createdBeforeMs ?? null,
  };
}

function partsOf(label: string): readonly [string, string] {
  const at = label.indexOf('=');
  return [label.slice(0, at), label.slice(at + 1)];
}

/**
 * Between which sequence numbers the jobs of that time are: they grow with time, so no index is needed. A clock
 * that was set back while jobs came in can hide those of the time it went through twice.
 */
async function rangeOf(db: Database, { createdAfterMs, createdBeforeMs }: Query) {
  return {
    floor: createdAfterMs === undefined ? 0 : (await firstSince(db, createdAfterMs + 1)) - 1,
    before: createdBeforeMs === undefined ? limits.integerMax : await firstSince(db, createdBeforeMs),
  };
}

/** The lowest sequence number that a job of that time, or later, can have; found by halving. */
async function firstSince(db: Database, timeMs: number): Promise<number> {
  let low = 1;
  let high = (await upTo(db, limits.integerMax)).seq + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { seq, createdAtMs } = await upTo(db, middle);
    if (createdAtMs < timeMs) low = middle + 1;
    else high = seq;
  }
  return low;
}

async function upTo(db: Database, seq: number): Promise<{ seq: number; createdAtMs: number }> {
  const [row] = await db.query(createdUpTo.with({ seq }));
  if (row === undefined) return { seq: 0, createdAtMs: Number.NEGATIVE_INFINITY };
  return { seq: integer(row, 'seq'), createdAtMs: integer(row, 'created_at_ms') };
}
