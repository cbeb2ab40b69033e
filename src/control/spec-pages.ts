/** Pages of what has specs: they end at their limit, or earlier where specs are large, and are read in steps. */
import { limits } from '../domain/limits.ts';
import type { Row } from '../store/database.ts';
import { integer, text } from '../store/statements/columns.ts';
import { cursorOf, type ListName } from './cursor.ts';

/** What is read; a key of `from` is before the first row. */
export interface SpecRows<Key> {
  readonly from: Key;
  readonly limit: number;
  /** The first rows after a key, no more than a limit; fewer when there are no others. */
  readonly read: (from: Key, limit: number) => Promise<readonly Row[]>;
  readonly keyOf: (row: Row) => Key;
  /** The column that has the spec. */
  readonly spec: 'spec' | 'job';
}

/** `next` is the key of the last row where others may follow, else null. */
export interface SpecPage<Key> {
  readonly rows: readonly Row[];
  readonly next: Key | null;
}

/** Reads one page; rejects as `read` does. */
export async function readSpecPage<Key>(asked: SpecRows<Key>): Promise<SpecPage<Key>> {
  const { from, limit, read, keyOf, spec } = asked;
  const rows: Row[] = [];
  let length = 0;
  for (let after = from; ; ) {
    const wanted = Math.min(limit - rows.length, limits.specsPerRead);
    const some = await read(after, wanted);
    for (const row of some) {
      rows.push(row);
      after = keyOf(row);
      length += text(row, spec).length;
      if (rows.length === limit || length >= limits.pageSpecsLength) return { rows, next: after };
    }
    if (some.length < wanted) return { rows, next: null };
  }
}

/** One page of a list of jobs, which are told by their sequence numbers. */
export async function readJobRows(
  list: ListName,
  from: number,
  limit: number,
  read: SpecRows<number>['read'],
): Promise<{ readonly rows: readonly Row[]; readonly nextCursor: string | null }> {
  const keyOf = (row: Row): number => integer(row, 'seq');
  const { rows, next } = await readSpecPage({ from, limit, read, keyOf, spec: 'spec' });
  return { rows, nextCursor: next === null ? null : cursorOf(list, next) };
}
