/** Lines of a queue: claims that go by turns and rates, and how the jobs of a queue get into lines. */
import { heldStates } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import { define } from './define.ts';
import type { QueueValues } from './queues.ts';
import { tokensNow } from './rates.ts';
import {
  bestOfPair,
  claimSet,
  heads,
  limited,
  mayClaim,
  type OfHolder,
  roomOfWorker,
  served,
} from './work.ts';

const wanted = `+min(:want, ${limits.lineClaimMax})`;

/** Jobs a queue may give: what its concurrency and its bucket leave, as much as is wanted without them. */
const room = `min(
  coalesce(s.concurrency_max - coalesce((
    SELECT ${heldStates.join(' + ')} FROM queue_counts WHERE queue_counts.queue = q.value), 0), :want),
  coalesce((SELECT ${tokensNow('s.rate_max', 's.rate_per_ms', 'bucket.full_at_units')}
    FROM rates AS bucket WHERE bucket.queue = q.value AND bucket.key = ''), s.rate_max, :want))`;

/** The same of a key with a rate; lines are of keys then. */
const roomOfLine = `CASE WHEN s.key_rate_max IS NULL OR l.line = '' THEN :want ELSE
  coalesce((SELECT ${tokensNow('s.key_rate_max', 's.key_rate_per_ms', 'bucket.full_at_units')}
    FROM rates AS bucket WHERE bucket.queue = q.value AND bucket.key = l.line), s.key_rate_max) END`;

/** Beside other queues, one with lines stands where the best of its ready jobs does, whoever has the turn. */
const standing = `(SELECT min(head.rank_ms) FROM jobs AS head INDEXED BY jobs_ready
  WHERE head.queue = q.value AND head.executor = e.value->>'name' AND head.state = 'pending'
    AND head.waits_for_key = 0)`;

/** Turns of one executor say nothing of those of another. */
const firstTurn = `(SELECT min(first.turn) FROM fair_lines AS first INDEXED BY fair_lines_next
  WHERE first.queue = q.value AND first.executor = e.value->>'name' AND first.closed = 0)`;

/** The lines that are next; DISTINCT has SQLite work them out once, and not again for each of their jobs. */
const nextLines = `SELECT DISTINCT l.queue AS of_queue, l.executor AS of_executor, l.line AS next_line, l.step,
    l.turn - ${firstTurn} AS turn, ${standing} AS standing_ms, ${room} AS room, ${roomOfLine} AS room_of_line
  FROM ${limited} CROSS JOIN json_each(w.executors) AS e CROSS JOIN fair_lines AS l
  WHERE ${mayClaim} AND s.in_lines = 1 AND l.closed = 0
    AND l.queue = q.value AND l.executor = e.value->>'name' AND l.line IN (
      SELECT next.line FROM fair_lines AS next INDEXED BY fair_lines_next
      WHERE next.queue = q.value AND next.executor = e.value->>'name' AND next.closed = 0
      ORDER BY next.turn, next.line LIMIT ${wanted})`;

/** The best jobs of a line: as many as the whole claim may take. */
const bestOfLine = `best.seq IN (
  SELECT ready.seq FROM jobs AS ready INDEXED BY jobs_in_line
  WHERE ready.queue = of_queue AND ready.executor = of_executor AND ready.line = next_line
    AND ready.state = 'pending' AND ready.waits_for_key = 0
  ORDER BY ready.rank_ms, ready.seq LIMIT ${wanted})`;

/**
 * `claimJobs` for a worker that serves a queue with lines or a rate, its other queues included. From a queue with
 * lines it takes the jobs in the order of the turns, within a line the best first; of a queue, and of a key, never more
 * than there are tokens. The cost depends on the pairs of queue and executor and on `want`.
 */
export const claimShaped = define<OfHolder & { token: string; want: number; nowMs: number }>(
  'lines.claim',
  `UPDATE jobs SET ${claimSet}, taken_at_ms = :nowMs
   WHERE seq IN (
     SELECT seq FROM (
       SELECT best.seq, best.rank_ms, 0 AS place FROM ${served} ${heads}
       WHERE ${mayClaim} AND coalesce(s.shaped, 0) = 0 AND s.concurrency_max IS NULL AND ${bestOfPair}
       UNION ALL
       SELECT seq, rank_ms, place FROM (
         SELECT best.seq, best.rank_ms,
           row_number() OVER (PARTITION BY q.value ORDER BY best.rank_ms, best.seq) AS place, ${room} AS room
         FROM ${limited} ${heads}
         WHERE ${mayClaim} AND s.in_lines = 0 AND (s.concurrency_max IS NOT NULL OR s.rate_max IS NOT NULL)
           AND ${bestOfPair})
       WHERE place <= room
       UNION ALL
       SELECT seq, rank_ms, place FROM (
         SELECT seq, standing_ms AS rank_ms, room,
           row_number() OVER (
             PARTITION BY of_queue ORDER BY turn + (of_line - 1) * step, next_line, seq) AS place
         FROM (
           SELECT best.seq, of_queue, next_line, step, turn, standing_ms, room, room_of_line,
             row_number() OVER (
               PARTITION BY of_queue, next_line, of_executor ORDER BY best.rank_ms, best.seq) AS of_line
           FROM (${nextLines}) CROSS JOIN jobs AS best WHERE ${bestOfLine})
         WHERE of_line <= room_of_line)
       WHERE place <= room)
     ORDER BY rank_ms, place, seq
     LIMIT ${roomOfWorker})`,
);

type Rates = Pick<QueueValues, 'rateMax' | 'ratePerMs' | 'keyRateMax' | 'keyRatePerMs'>;

/** The pending jobs of a queue after `after`, in the order of their submit, join the lines the queue has now. */
export const joinLines = define<{ name: string; after: number; limit: number }>(
  'lines.join',
  `UPDATE jobs SET line = CASE (SELECT lines_by FROM queues WHERE name = :name)
       WHEN 'tenant' THEN tenant WHEN 'key' THEN coalesce(concurrency_key, '') END
   WHERE seq IN (
     SELECT seq FROM jobs INDEXED BY jobs_pending
     WHERE queue = :name AND state = 'pending' AND seq > :after ORDER BY seq LIMIT +:limit)
   RETURNING seq`,
);

/** Claims from the queue go by its lines from now on, if they are still by this. */
export const useLines = define<{ name: string; linesBy: string }>(
  'lines.use',
  'UPDATE queues SET in_lines = 1 WHERE name = :name AND lines_by = :linesBy AND in_lines = 0',
);

/** Queues whose jobs are still to join their lines. */
export const unfinishedLines = define<{ limit: number }>(
  'lines.unfinished',
  `SELECT name, lines_by FROM queues WHERE name > '' AND lines_by <> 'none' AND in_lines = 0
   ORDER BY name LIMIT +:limit`,
);

/** No token for the jobs of a line. */
const isClosed = `EXISTS (SELECT 1 FROM rates WHERE rates.queue = fair_lines.queue AND key = line AND key <> ''
  AND opens_at_ms IS NOT NULL)`;

/** Of a line that opens: while it was closed it has saved no turns. */
const turnOpened = `max(turn, coalesce(
  (SELECT min(head.turn) FROM fair_lines AS head INDEXED BY fair_lines_next
    WHERE head.queue = fair_lines.queue AND head.executor = fair_lines.executor AND head.closed = 0),
  (SELECT max(tail.turn) FROM fair_lines AS tail INDEXED BY fair_lines_next
    WHERE tail.queue = fair_lines.queue AND tail.executor = fair_lines.executor AND tail.closed = 1), 0))`;

/** For a change of settings: before it, buckets of a rate that changes are forgotten; after it, lines get new steps. */
export const renewLines = {
  buckets: define<Rates & { name: string }>(
    'lines.renewBuckets',
    `DELETE FROM rates WHERE queue = :name AND NOT EXISTS (
       SELECT 1 FROM queues WHERE name = :name AND CASE rates.key
         WHEN '' THEN queues.rate_max IS :rateMax AND queues.rate_per_ms IS :ratePerMs
         ELSE key_rate_max IS :keyRateMax AND key_rate_per_ms IS :keyRatePerMs END)`,
  ),
  steps: define<{ name: string }>(
    'lines.renewSteps',
    `UPDATE fair_lines SET turn = iif(closed = 1 AND NOT ${isClosed}, ${turnOpened}, turn), closed = ${isClosed},
       step = 10000 / coalesce((SELECT each.value FROM queues, json_each(queues.weights) AS each
         WHERE queues.name = fair_lines.queue AND each.key = fair_lines.line), 1)
     WHERE queue = :name`,
  ),
};
