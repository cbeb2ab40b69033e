/** Compares what is stored of buckets and lines with the model. Whose turn is next it does not look at. */
import { expect } from 'vitest';
import type { Database } from '../../store/database.ts';
import { integer, text } from '../../store/statements/columns.ts';
import type { Model } from './model.suite.ts';
import { lineOf, linesBy } from './shaped.suite.ts';
import { turnOf } from './turns.suite.ts';

/** Tokens of buckets that are not full; jobs, cost of a turn, and tokens of lines. */
export async function compareShapes(db: Database, model: Model, nowMs: number): Promise<void> {
  const buckets = await db.query({ sql: 'SELECT * FROM rates' });
  const levels: Record<string, readonly [number, boolean]> = {};
  for (const row of buckets) {
    const max = integer(row, 'rate_max');
    const isClosed = row['opens_at_ms'] !== null;
    const missing = integer(row, 'full_at_units') - nowMs * max;
    if (isClosed || missing > 0)
      levels[`${text(row, 'queue')}/${text(row, 'key')}`] = [
        max * integer(row, 'per_ms') - Math.max(0, missing),
        isClosed,
      ];
  }
  expect(levels).toEqual(model.rates.levels(nowMs));
  const lines = await db.query({ sql: 'SELECT queue, line, ready, step, closed FROM fair_lines' });
  // A queue that has lines no more leaves those it had to the jobs that were in them.
  const inLines = lines.filter((row) => linesBy(model, text(row, 'queue')) !== 'none');
  const found = Object.fromEntries(inLines.map(({ queue, line, ...row }) => [`${queue}/${line}`, row]));
  expect(found).toEqual(linesOf(model));
}

interface Line {
  readonly ready: number;
  readonly step: number;
  readonly closed: number;
}

function linesOf(model: Model): Record<string, Line> {
  const lines: Record<string, Line> = {};
  for (const job of model.jobs) {
    const { queue, key, state, waits } = job;
    if (state !== 'pending' || waits || linesBy(model, queue) === 'none') continue;
    const name = `${queue}/${lineOf(model, job)}`;
    const closed = key !== undefined && model.rates.isClosed(queue, key) ? 1 : 0;
    lines[name] = { ready: (lines[name]?.ready ?? 0) + 1, step: turnOf(model, job), closed };
  }
  return lines;
}
