/** I8 of rates: fills the buckets of queues and keys anew from the events, and finds starts without a token. */
import type { Database, Row } from './database.ts';
import { integer, json, text } from './statements/columns.ts';

interface Rates {
  readonly rateMax: number | null;
  readonly ratePerMs: number | null;
  readonly keyRateMax: number | null;
  readonly keyRatePerMs: number | null;
}

/** When each bucket is full again, in units of 1/max ms. */
type Buckets = Map<string, bigint>;

/** Every claim above a rate, in words; jobs since forgotten are left out. */
export async function replayRates(db: Database): Promise<string[]> {
  const events = await db.query({ sql: 'SELECT at_ms, kind, job_id, data FROM events ORDER BY seq' });
  const jobs = new Map(
    (await db.query({ sql: 'SELECT id, queue, concurrency_key FROM jobs' })).map((row) => [row['id'], row]),
  );
  const rates = new Map<string, Rates>();
  const buckets: Buckets = new Map();
  return events.flatMap((event) => {
    if (event['kind'] === 'queue.changed') changeRates(event, rates, buckets);
    const job = jobs.get(event['job_id'] ?? '');
    if (event['kind'] !== 'job.claimed' || job === undefined) return [];
    const [queue, key] = [text(job, 'queue'), job['concurrency_key']];
    const rate = rates.get(queue);
    const atMs = integer(event, 'at_ms');
    return [
      ...take(buckets, `${queue}\n`, atMs, rate?.rateMax, rate?.ratePerMs),
      ...(key === null ? [] : take(buckets, `${queue}\n${key}`, atMs, rate?.keyRateMax, rate?.keyRatePerMs)),
    ];
  });
}

/** Another rate begins with full buckets. */
function changeRates(event: Row, rates: Map<string, Rates>, buckets: Buckets): void {
  const { queue, rateMax, ratePerMs, keyRateMax, keyRatePerMs } = json<Rates & { queue: string }>(
    event,
    'data',
  );
  const now: Rates = { rateMax, ratePerMs, keyRateMax, keyRatePerMs };
  if (JSON.stringify(rates.get(queue)) === JSON.stringify(now)) return;
  rates.set(queue, now);
  for (const place of buckets.keys()) if (place.startsWith(`${queue}\n`)) buckets.delete(place);
}

function take(
  buckets: Buckets,
  place: string,
  atMs: number,
  max: number | null | undefined,
  perMs: number | null | undefined,
): string[] {
  if (max === null || max === undefined || perMs === null || perMs === undefined) return [];
  const now = BigInt(atMs) * BigInt(max);
  const before = buckets.get(place) ?? 0n;
  const after = (before > now ? before : now) + BigInt(perMs);
  buckets.set(place, after);
  return after <= now + BigInt(perMs) * BigInt(max)
    ? []
    : [`I8: ${JSON.stringify(place)} had no token of ${max} in ${perMs} ms for a claim at ${atMs}`];
}
