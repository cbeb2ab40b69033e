/** Searches of jobs: by the best index there is, looking at a bounded number of jobs for each page. */
import type { JobPage } from '../contract/job.ts';
import type { QueryOf } from '../contract/routes.ts';
import { defaults } from '../domain/defaults.ts';
import { type JobState, jobMachine } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import type { Database } from '../store/database.ts';
import { kindOf } from '../store/statements/by-state.ts';
import { integer, text } from '../store/statements/columns.ts';
import { countsAfter } from '../store/statements/queues.ts';
import { createdUpTo, floors, searches, searchPairs } from '../store/statements/search.ts';
import { cursorOf } from './cursor.ts';
import { readJobRows } from './spec-pages.ts';
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
  const way = await wayOf(db, query);
  const range = await rangeOf(db, query);
  const values = { ...valuesOf(query, way), floor: range.floor, before: Math.min(page.before, range.before) };
  const paths = 'pairs' in way ? way.pairs.map((pair) => ({ walk: kindOf(pair.state), ...pair })) : [way];
  const looked = Math.ceil(limits.searchedPerPage / paths.length);
  const ends = await Promise.all(
    paths.map(({ walk, ...pair }) => db.query(floors[walk].with({ ...values, ...pair, looked }))),
  );
  // Where the first of the paths has looked far enough, so that no path has looked further.
  const end = ends.flat().map((row) => integer(row, 'seq'));
  const floor = Math.max(values.floor, ...end);
  const { rows, nextCursor } = await readJobRows('jobs', values.before, page.limit, (before, limit) => {
    const asked = { ...values, floor, before, limit };
    if (!('pairs' in way)) return db.query(searches[way.walk].with(asked));
    const pairs = JSON.stringify(way.pairs.map(({ queue, state }) => [queue, state]));
    return db.query(searchPairs.with({ ...asked, pairs }));
  });
  const lookedUpTo = end.length === 0 ? null : cursorOf('jobs', floor + 1);
  return { jobs: rows.map((row) => jobOf(row)), nextCursor: nextCursor ?? lookedUpTo };
}

/** One index to walk, or that of queue and state for some pairs side by side. */
type Way =
  | { readonly walk: keyof typeof searches }
  | { readonly pairs: readonly { readonly queue: string; readonly state: JobState }[] };

/** By the index that is most likely to lead past few others. */
async function wayOf(db: Database, query: Query): Promise<Way> {
  const { label = [], tenant, group, queue } = query;
  const states = statesOf(query);
  if (group !== undefined) return { walk: 'group' };
  if (label.length > 0) return { walk: 'label' };
  // Most jobs are of the default tenant, so there is no index of those.
  if (tenant !== undefined && tenant !== defaults.tenant) return { walk: 'tenant' };
  if (queue !== undefined) return { pairs: (states ?? jobMachine.states).map((state) => ({ queue, state })) };
  if (states === undefined) return { walk: 'all' };
  const queues = await db.query(countsAfter.with({ after: '', limit: limits.searchPaths + 1 }));
  // With so many queues, one walk over all jobs of a page costs less.
  const count = queues.length * states.length;
  if (count === 0 || count > limits.searchPaths) return { walk: 'all' };
  return { pairs: queues.flatMap((row) => states.map((state) => ({ queue: text(row, 'queue'), state }))) };
}

/** The states that are asked for, each once; undefined for all. */
export function statesOf({ state }: Pick<Query, 'state'>): readonly JobState[] | undefined {
  if (state === undefined) return undefined;
  const states = new Set([state].flat());
  return states.size === jobMachine.states.length ? undefined : [...states];
}

function valuesOf(query: Query, way: Way) {
  const { label = [], tenant, group, queue, text: words, createdAfterMs, createdBeforeMs } = query;
  const states = statesOf(query);
  const labels = label.map(partsOf);
  const [first] = labels;
  // Only the walk by a label meets the first one by itself.
  const asked = 'walk' in way && way.walk === 'label' ? labels.slice(1) : labels;
  return {
    states: states === undefined ? null : JSON.stringify(states),
    state: null,
    queue: queue ?? null,
    tenant: tenant ?? null,
    group: group ?? null,
    text: words ?? null,
    labels: JSON.stringify(asked),
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
