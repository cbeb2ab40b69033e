/** Token buckets of queues and keys: when they open, and when they can be forgotten. */
import { define } from './define.ts';

/**
 * Tokens that a bucket has now. `max` is its size and what flows in each `perMs`; `fullAtUnits` is the stored time at
 * which it is full again, in units of 1/`max` ms, or null for one that is full. All are SQL expressions.
 */
export function tokensNow(max: string, perMs: string, fullAtUnits: string): string {
  const now = `CAST(:nowMs AS INTEGER) * ${max}`;
  return `(${now} + ${perMs} * ${max} - max(coalesce(${fullAtUnits}, 0), ${now})) / ${perMs}`;
}

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
