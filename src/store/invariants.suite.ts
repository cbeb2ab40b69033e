/** Holds a whole store to the invariants of DESIGN §15, for tests that have done their worst to it. */
import { isEnded, type JobState, jobMachine } from '../domain/job.ts';
import type { Database, Row } from './database.ts';
import { integer, json, text } from './statements/columns.ts';
import { countColumns } from './statements/queues.ts';

/** Each gives one row per violation. */
const rules: readonly (readonly [string, string])[] = [
  [
    'I1: a job has no spec',
    'SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM job_data WHERE job_data.seq = jobs.seq)',
  ],
  [
    'I1: a held job has no live worker of its generation, so nobody would put it back',
    `SELECT jobs.id, jobs.state, jobs.worker_id FROM jobs
     LEFT JOIN workers ON workers.id = jobs.worker_id AND workers.generation = jobs.worker_generation
       AND workers.state <> 'offline'
     WHERE jobs.state IN ('claimed', 'running') AND workers.id IS NULL`,
  ],
  [
    'I1: an ended job has no end time, or one that has not ended has one',
    `SELECT id, state, ended_at_ms FROM jobs
     WHERE (state IN ('completed', 'failed', 'cancelled')) <> (ended_at_ms IS NOT NULL)`,
  ],
  [
    'I2: a held job has no attempt or no holder, or a waiting one still has an attempt',
    `SELECT id, state, worker_id, claimed_at_ms FROM jobs
     WHERE (state IN ('claimed', 'running')
         AND (claimed_at_ms IS NULL OR worker_id IS NULL OR worker_generation IS NULL))
       OR (state IN ('blocked', 'scheduled', 'pending') AND claimed_at_ms IS NOT NULL)`,
  ],
  [
    'I3: the attempts of a job are not numbered 1, 2, 3, …',
    `SELECT jobs.id, jobs.attempt, count(past.attempt) AS past, max(past.attempt) AS last FROM jobs
     LEFT JOIN past_attempts AS past ON past.job_id = jobs.id GROUP BY jobs.seq
     HAVING past <> coalesce(last, 0) OR past + (jobs.claimed_at_ms IS NOT NULL) <> jobs.attempt`,
  ],
  [
    'I3: an attempt belongs to no job',
    'SELECT job_id, attempt FROM past_attempts WHERE job_id NOT IN (SELECT id FROM jobs)',
  ],
  [
    'a running or completed job was never started, or one that is only claimed was',
    `SELECT id, state, started_at_ms FROM jobs
     WHERE (state IN ('running', 'completed') AND started_at_ms IS NULL)
       OR (state = 'claimed' AND started_at_ms IS NOT NULL)`,
  ],
  [
    'attempts spent are more than allowed',
    'SELECT id, attempts_used, attempts_max FROM jobs WHERE attempts_used > attempts_max',
  ],
  ['what belongs to a job outlives it', 'SELECT seq FROM job_data WHERE seq NOT IN (SELECT seq FROM jobs)'],
  [
    'a job that is not pending waits for its key',
    "SELECT id, state FROM jobs WHERE waits_for_key <> 0 AND (state <> 'pending' OR concurrency_key IS NULL)",
  ],
  [
    'I8: of a key more jobs are ready than have room, or fewer while others wait',
    `SELECT queue, concurrency_key, key_concurrency_max AS room, sum(state <> 'pending') AS held,
       sum(state = 'pending' AND NOT waits_for_key) AS ready, sum(waits_for_key) AS waiting
     FROM jobs JOIN queues ON queues.name = jobs.queue
     WHERE concurrency_key IS NOT NULL AND state IN ('pending', 'claimed', 'running')
     GROUP BY queue, concurrency_key
     HAVING (ready > 0 AND held + ready > room) OR (waiting > 0 AND held + ready < coalesce(room, held + ready + 1))`,
  ],
  [
    'a job that was started expires, or one failed as expired before its time',
    `SELECT id, state, expires_at_ms, ended_at_ms FROM jobs
     WHERE (state = 'running' AND expires_at_ms IS NOT NULL)
       OR (state = 'failed' AND reason = 'expired' AND (expires_at_ms IS NULL OR ended_at_ms < expires_at_ms))`,
  ],
  [
    'labels differ from the specs',
    `SELECT name, value, job_seq, sum(n) AS difference FROM (
       SELECT name, value, job_seq, 1 AS n FROM job_labels UNION ALL
       SELECT label.key, label.value, job_data.seq, -1
       FROM job_data, json_each(job_data.spec, '$.labels') AS label)
     GROUP BY name, value, job_seq HAVING difference <> 0`,
  ],
  [
    'a run of a schedule has fired more than once',
    "SELECT job_id, count(*) AS n FROM events WHERE kind = 'schedule.fired' GROUP BY job_id HAVING n > 1",
  ],
  [
    'a run belongs to no schedule',
    'SELECT id, schedule FROM schedule_runs WHERE schedule NOT IN (SELECT name FROM schedules)',
  ],
  [
    'a schedule has told other numbers than it has counted',
    `SELECT name, fired FROM schedules WHERE fired <> (
       SELECT count(*) FROM events WHERE kind = 'schedule.fired' AND data->>'schedule' = name
         AND seq > (SELECT max(seq) FROM events WHERE kind = 'schedule.created' AND data->>'schedule' = name))`,
  ],
  [
    'a webhook is ahead of the events',
    'SELECT name, cursor_seq FROM webhooks WHERE cursor_seq > (SELECT coalesce(max(seq), 0) FROM events)',
  ],
  [
    'a delivery has no webhook, or is tried again although its event is done with',
    `SELECT d.webhook, d.id, d.state FROM webhook_deliveries AS d
     LEFT JOIN webhooks ON webhooks.name = d.webhook
     WHERE webhooks.name IS NULL OR (d.state = 'retrying' AND d.event_seq <= webhooks.cursor_seq)`,
  ],
  [
    'counts differ from the jobs',
    `SELECT queue, ${jobMachine.states.map((state) => `sum(${state}) AS ${state}`).join(', ')} FROM (
       SELECT ${countColumns} FROM queue_counts UNION ALL
       SELECT queue, ${jobMachine.states.map((state) => `-(state = '${state}')`).join(', ')} FROM jobs)
     GROUP BY queue HAVING ${jobMachine.states.map((state) => `sum(${state}) <> 0`).join(' OR ')}`,
  ],
];

/** Every violation found, in words; none for a sound store. */
export async function checkInvariants(db: Database): Promise<string[]> {
  const found: string[] = [];
  for (const [rule, sql] of rules) {
    for (const row of await db.query({ sql })) found.push(`${rule}: ${JSON.stringify(row)}`);
  }
  return [...found, ...(await replayEvents(db)), ...(await replayLimits(db))];
}

/** I4 and I9: the events have no gap, take only steps of the table, and lead to the state every job is in. */
async function replayEvents(db: Database): Promise<string[]> {
  const events = await db.query({ sql: 'SELECT seq, kind, job_id, attempt, data FROM events ORDER BY seq' });
  const states = new Map<string, JobState>();
  const first = events[0] === undefined ? 1 : integer(events[0], 'seq');
  const found = events.flatMap((event, index) => [
    ...(integer(event, 'seq') === first + index ? [] : [`I9: event ${first + index} is missing`]),
    ...replayEvent(event, states, first),
  ]);
  for (const row of await db.query({ sql: 'SELECT id, state FROM jobs' })) {
    const told = states.get(text(row, 'id'));
    if (told !== text(row, 'state') && (told !== undefined || first === 1))
      found.push(`I9: the events of job ${text(row, 'id')} lead to ${told}, it is ${text(row, 'state')}`);
    states.delete(text(row, 'id'));
  }
  for (const id of states.keys()) found.push(`I1: job ${id} was accepted and is gone`);
  return found;
}

/** Events of a job that stays in its state. */
const stepless = new Set(['cancel_requested', 'postponed']);

/** With the events before `first` forgotten, that of a job's submit may be among them. */
function replayEvent(event: Row, states: Map<string, JobState>, first: number): string[] {
  const [noun, step = ''] = text(event, 'kind').split('.');
  if (noun !== 'job') return [];
  const id = text(event, 'job_id');
  const data = json<{ state?: JobState; from?: JobState }>(event, 'data');
  if (step === 'submitted' && data.state !== undefined) {
    const again = states.has(id);
    states.set(id, data.state);
    return again ? [`I9: job ${id} was submitted twice`] : [];
  }
  const to = jobMachine.states.find((state) => state === step);
  const from = states.get(id) ?? (first > 1 ? data.from : undefined);
  if (step === 'forgotten') {
    states.delete(id);
    return from === data.from && from !== undefined && isEnded(from)
      ? []
      : [`I1: job ${id} was forgotten as ${from}`];
  }
  if (to === undefined) return stepless.has(step) ? [] : [`I9: unknown event ${step}`];
  states.set(id, to);
  if (from === undefined || from !== data.from) return [`I9: job ${id} left ${data.from}, but was ${from}`];
  if (isEnded(from) && to !== 'pending' && to !== 'scheduled')
    return [`I4: job ${id} left ${from} for ${to}`];
  return jobMachine.can(from, to) ? [] : [`I9: job ${id} went from ${from} to ${to}`];
}

/** I8: at every claim the limits in force held, for the queue and for the key; jobs since forgotten are left out. */
async function replayLimits(db: Database): Promise<string[]> {
  const events = await db.query({ sql: 'SELECT kind, job_id, data FROM events ORDER BY seq' });
  const jobs = new Map(
    (await db.query({ sql: 'SELECT id, queue, concurrency_key FROM jobs' })).map((row) => [row['id'], row]),
  );
  const limitsOf = new Map<string, LimitsInForce>();
  const held = new Map<string, Set<string>>();
  return events.flatMap((event) => {
    const { kind, job_id: id } = event;
    const data = json<LimitsInForce & { queue?: string }>(event, 'data');
    if (kind === 'queue.changed' && data.queue !== undefined) limitsOf.set(data.queue, data);
    const job = jobs.get(id ?? '');
    if (job === undefined) return [];
    const queue = text(job, 'queue');
    const places = [
      queue,
      ...(job['concurrency_key'] === null ? [] : [`${queue} ${job['concurrency_key']}`]),
    ];
    const [inQueue, ofKey = 0] = places.map((place) => hold(held, place, String(id), text(event, 'kind')));
    if (kind !== 'job.claimed') return [];
    const { concurrencyMax, concurrencyMaxPerKey } = limitsOf.get(queue) ?? noLimits;
    return [
      ...(concurrencyMax !== null && (inQueue ?? 0) > concurrencyMax
        ? [`I8: queue ${queue} held ${inQueue} jobs, ${concurrencyMax} are allowed`]
        : []),
      ...(concurrencyMaxPerKey !== null && ofKey > concurrencyMaxPerKey
        ? [`I8: key ${places[1]} held ${ofKey} jobs, ${concurrencyMaxPerKey} are allowed`]
        : []),
    ];
  });
}

interface LimitsInForce {
  readonly concurrencyMax: number | null;
  readonly concurrencyMaxPerKey: number | null;
}

const noLimits: LimitsInForce = { concurrencyMax: null, concurrencyMaxPerKey: null };

/** Keeps who is held; gives how many are, after this event. */
function hold(held: Map<string, Set<string>>, place: string, id: string, kind: string): number {
  const ids = held.get(place) ?? new Set();
  held.set(place, ids);
  if (kind === 'job.claimed' || kind === 'job.running') ids.add(id);
  else if (kind !== 'job.cancel_requested' && kind !== 'job.postponed') ids.delete(id);
  return ids.size;
}
