/** Token buckets of queues and keys: when they open, and when they can be forgotten. */
import { define } from './define.ts';
import { heldByWorker, type OfHolder } from './work.ts';

/**
 * Tokens that a bucket has now. `max` is its size and what flows in each `perMs`; `fullAtUnits` is the stored time at
 * which it is full again, in units of 1/`max` ms, or null for one that is full. All are SQL expressions.
 */
export function tokensNow(max: string, perMs: string, fullAtUnits: string): string {
  const now = `CAST(:nowMs AS INTEGER) * ${max}`;
  return `(${now} + ${perMs} * ${max} - max(coalesce(${fullAtUnits}, 0), ${now})) / ${perMs}`;
}

/** What of a token has not flowed in since its claim: so much, and no more, can be there again as if it never was. */
const notFlowedIn =
  'max(0, min(r.per_ms, r.per_ms - (CAST(:nowMs AS INTEGER) - jobs.claimed_at_ms) * r.rate_max))';

/**
 * Tokens of the claims `[{jobId, attempt}]` that are given back unstarted, by the statement after this one. Not of
 * a rate that was changed since the claim: it has begun with a full bucket.
 */
export const giveBackTokens = define<OfHolder & { attempts: string; nowMs: number }>(
  'rates.giveBack',
  `UPDATE rates SET full_at_units = full_at_units - units,
     opens_at_ms = iif(full_at_units - units + per_ms <= (CAST(:nowMs AS INTEGER) + per_ms) * rate_max, NULL,
       (full_at_units - units + per_ms - per_ms * rate_max + rate_max - 1) / rate_max)
   FROM (
     SELECT r.queue AS of_queue, r.key AS of_key, sum(${notFlowedIn}) AS units
     FROM json_each(:attempts) AS d CROSS JOIN jobs CROSS JOIN queues AS q CROSS JOIN rates AS r
     WHERE ${heldByWorker} AND +jobs.state = 'claimed' AND jobs.taken_at_ms = jobs.claimed_at_ms
       AND q.name = jobs.queue AND iif(r.key = '', q.rate_since_ms, q.key_rate_since_ms) < jobs.claimed_at_ms
       AND r.queue = jobs.queue AND r.key IN ('', jobs.concurrency_key)
     GROUP BY r.queue, r.key)
   WHERE rates.queue = of_queue AND rates.key = of_key`,
);

const beyondEmpty = 'full_at_units > (CAST(:nowMs AS INTEGER) + per_ms) * rate_max';
const asIfUsedNow = `full_at_units = (CAST(:nowMs AS INTEGER) + per_ms) * rate_max`;

/**
 * A clock that was set back leaves buckets that are emptier than empty: they would be closed for as long as it was set
 * back. Those without a token are empty now, those that had some have one; so many of them as `limit`.
 */
export const bucketsOfSetClock = {
  closed: define<{ nowMs: number; limit: number }>(
    'rates.closedOfSetClock',
    `UPDATE rates SET ${asIfUsedNow}, opens_at_ms = CAST(:nowMs AS INTEGER) + (per_ms + rate_max - 1) / rate_max
     WHERE (queue, key) IN (
       SELECT queue, key FROM rates INDEXED BY rates_opening
       WHERE opens_at_ms IS NOT NULL AND opens_at_ms > :nowMs AND ${beyondEmpty}
       ORDER BY opens_at_ms, queue, key LIMIT +:limit)
     RETURNING queue`,
  ),
  open: define<{ nowMs: number; limit: number }>(
    'rates.openOfSetClock',
    `UPDATE rates SET ${asIfUsedNow} - per_ms
     WHERE (queue, key) IN (
       SELECT queue, key FROM rates INDEXED BY rates_full
       WHERE opens_at_ms IS NULL AND full_at_ms > :nowMs AND ${beyondEmpty}
       ORDER BY full_at_ms, queue, key LIMIT +:limit)
     RETURNING queue`,
  ),
} as const;

/** Buckets that have a token again let jobs be claimed, the longest due first. */
export const openRates = define<{ nowMs: number; limit: number }>(
  'rates.open',
  `UPDATE rates SET opens_at_ms = NULL WHERE (queue, key) IN (
     SELECT queue, key FROM rates INDEXED BY rates_opening
     WHERE opens_at_ms IS NOT NULL AND opens_at_ms <= :nowMs ORDER BY opens_at_ms, queue, key LIMIT +:limit)
   RETURNING queue`,
);

/** When the next bucket has a token again, epoch ms; null when none waits for one. */
export const nextOpening = define<Record<never, never>>(
  'rates.nextOpening',
  `SELECT min(opens_at_ms) AS opens_at_ms FROM rates INDEXED BY rates_opening WHERE opens_at_ms IS NOT NULL`,
);

/** A full bucket is as good as none. */
export const forgetFullRates = define<{ nowMs: number; limit: number }>(
  'rates.forgetFull',
  `DELETE FROM rates WHERE (queue, key) IN (
     SELECT queue, key FROM rates INDEXED BY rates_full
     WHERE opens_at_ms IS NULL AND full_at_ms <= :nowMs ORDER BY full_at_ms, queue, key LIMIT +:limit)`,
);
