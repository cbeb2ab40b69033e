/** Rows of queues as they go over the wire, and the settings of a queue that has none of its own. */
import type { FairBy, KeyPolicy, Queue, QueueSettings, RateLimit, SetQueue } from '../contract/queue.ts';
import { defaults } from '../domain/defaults.ts';
import { type JobState, jobMachine } from '../domain/job.ts';
import type { Row } from '../store/database.ts';
import { integer, integerOrNull, json, text } from '../store/statements/columns.ts';
import type { QueueValues } from '../store/statements/queues.ts';

/** All settings, those left out with their default. */
export function settingsOf(given: SetQueue): QueueSettings {
  const { concurrencyMax = null, concurrencyMaxPerKey = null, retention } = given;
  const {
    keyPolicy = 'wait',
    fairBy = 'none',
    weights = {},
    rateLimit = null,
    rateLimitPerKey = null,
  } = given;
  return {
    concurrencyMax,
    concurrencyMaxPerKey,
    keyPolicy,
    fairBy,
    weights,
    rateLimit,
    rateLimitPerKey,
    retention: {
      completedMs: defaults.retainCompletedMs,
      failedMs: defaults.retainFailedMs,
      cancelledMs: defaults.retainCancelledMs,
      ...retention,
    },
  };
}

/** Settings as the store has them. A rate of each key needs its jobs in a line of their own. */
export function valuesOf(settings: QueueSettings): QueueValues {
  const { concurrencyMax, concurrencyMaxPerKey, retention, rateLimit, rateLimitPerKey } = settings;
  return {
    concurrencyMax,
    keyConcurrencyMax: concurrencyMaxPerKey,
    keyPolicy: settings.keyPolicy,
    fairBy: settings.fairBy,
    linesBy: rateLimitPerKey === null ? settings.fairBy : 'key',
    weights: JSON.stringify(settings.weights),
    rateMax: rateLimit?.max ?? null,
    ratePerMs: rateLimit?.perMs ?? null,
    keyRateMax: rateLimitPerKey?.max ?? null,
    keyRatePerMs: rateLimitPerKey?.perMs ?? null,
    ...retention,
  };
}

/** Totals of a queue by state, from a row with `countColumns`; only those above 0, by name. */
export function countsOf(row: Row | undefined): Partial<Record<JobState, number>> {
  if (row === undefined) return {};
  const counts = [...jobMachine.states].sort().map((state) => [state, integer(row, state)] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** A queue from the row of its settings and that of its totals, as far as it has them. */
export function queueOf(name: string, row: Row | undefined, counts: Row | undefined): Queue {
  const settings = row === undefined ? settingsOf({}) : storedSettings(row);
  return {
    name,
    paused: row !== undefined && integer(row, 'paused') === 1,
    ...settings,
    counts: countsOf(counts),
    updatedAtMs: row === undefined ? null : integer(row, 'updated_at_ms'),
  };
}

function storedSettings(row: Row): QueueSettings {
  return {
    concurrencyMax: integerOrNull(row, 'concurrency_max'),
    concurrencyMaxPerKey: integerOrNull(row, 'key_concurrency_max'),
    keyPolicy: text(row, 'key_policy') as KeyPolicy,
    fairBy: text(row, 'fair_by') as FairBy,
    weights: json(row, 'weights'),
    rateLimit: rateOf(row, 'rate'),
    rateLimitPerKey: rateOf(row, 'key_rate'),
    retention: {
      completedMs: integerOrNull(row, 'completed_ms'),
      failedMs: integerOrNull(row, 'failed_ms'),
      cancelledMs: integerOrNull(row, 'cancelled_ms'),
    },
  };
}

function rateOf(row: Row, column: string): RateLimit | null {
  const max = integerOrNull(row, `${column}_max`);
  return max === null ? null : { max, perMs: integer(row, `${column}_per_ms`) };
}
