/** The invariants that one statement can check: each rule gives one row per violation. */
import { jobMachine } from '../../domain/job.ts';
import { eachEvent, eventColumns } from '../statements/event-sets.ts';
import { countColumns } from '../statements/queues.ts';
import type { Rule } from './rule.ts';
import { answerRules } from './rules-answers.ts';
import { lineRules } from './rules-lines.ts';
import { togetherRules } from './rules-together.ts';

/** The newest attempt of a job stands in its own row, the earlier ones apart. */
export const endedAttempts = `SELECT job_id, attempt, reason, exit_code, started_at_ms FROM past_attempts UNION ALL
  SELECT id, attempt, reason, exit_code, started_at_ms FROM jobs
  WHERE claimed_at_ms IS NOT NULL AND ended_at_ms IS NOT NULL`;

const jobRules: readonly Rule[] = [
  {
    invariant: 'I1',
    rule: 'a job has no spec',
    over: 'jobs',
    sql: `SELECT id FROM jobs
      WHERE NOT EXISTS (SELECT 1 FROM job_data WHERE job_data.seq = jobs.seq) ORDER BY seq`,
  },
  {
    invariant: 'I1',
    rule: 'a held job has no live worker of its generation, so nobody would put it back',
    over: 'jobs',
    sql: `SELECT jobs.id, jobs.state, jobs.worker_id FROM jobs
      LEFT JOIN workers ON workers.id = jobs.worker_id AND workers.generation = jobs.worker_generation
        AND workers.state <> 'offline'
      WHERE jobs.state IN ('claimed', 'running') AND workers.id IS NULL ORDER BY jobs.seq`,
  },
  {
    invariant: 'I1',
    rule: 'an ended job has no end time, or one that has not ended has one',
    over: 'jobs',
    sql: `SELECT id, state, ended_at_ms FROM jobs
      WHERE (state IN ('completed', 'failed', 'cancelled')) <> (ended_at_ms IS NOT NULL) ORDER BY seq`,
  },
  {
    invariant: 'I2',
    rule: 'a held job has no attempt or no holder, or a waiting one still has an attempt',
    over: 'jobs',
    sql: `SELECT id, state, worker_id, claimed_at_ms FROM jobs
      WHERE (state IN ('claimed', 'running')
          AND (claimed_at_ms IS NULL OR worker_id IS NULL OR worker_generation IS NULL))
        OR (state IN ('blocked', 'scheduled', 'pending') AND claimed_at_ms IS NOT NULL) ORDER BY seq`,
  },
  {
    invariant: 'store',
    rule: 'a running or completed job was never started, or one that is only claimed was',
    over: 'jobs',
    sql: `SELECT id, state, started_at_ms FROM jobs
      WHERE (state IN ('running', 'completed') AND started_at_ms IS NULL)
        OR (state = 'claimed' AND started_at_ms IS NOT NULL) ORDER BY seq`,
  },
  {
    invariant: 'store',
    rule: 'attempts spent are more than allowed',
    over: 'jobs',
    sql: 'SELECT id, attempts_used, attempts_max FROM jobs WHERE attempts_used > attempts_max ORDER BY seq',
  },
  {
    invariant: 'store',
    rule: 'what belongs to a job outlives it',
    over: 'jobs',
    sql: 'SELECT seq FROM job_data WHERE seq NOT IN (SELECT seq FROM jobs) ORDER BY seq',
  },
  {
    invariant: 'store',
    rule: 'what a job told outlives it',
    over: 'jobs',
    sql: `SELECT job_id FROM (SELECT job_id FROM job_progress UNION SELECT job_id FROM job_results
        UNION SELECT job_id FROM artifacts) WHERE job_id NOT IN (SELECT id FROM jobs) ORDER BY job_id`,
  },
  {
    invariant: 'store',
    rule: 'a job that was started expires, or one failed as expired before its time',
    over: 'jobs',
    sql: `SELECT id, state, expires_at_ms, ended_at_ms FROM jobs
      WHERE (state = 'running' AND expires_at_ms IS NOT NULL)
        OR (state = 'failed' AND reason = 'expired' AND (expires_at_ms IS NULL OR ended_at_ms < expires_at_ms))
      ORDER BY seq`,
  },
  {
    invariant: 'store',
    rule: 'labels differ from the specs',
    over: 'jobs',
    sql: `SELECT name, value, job_seq, sum(n) AS difference FROM (
        SELECT name, value, job_seq, 1 AS n FROM job_labels UNION ALL
        SELECT label.key, label.value, job_data.seq, -1
        FROM job_data, json_each(job_data.spec, '$.labels') AS label)
      GROUP BY name, value, job_seq HAVING difference <> 0 ORDER BY name, value, job_seq`,
  },
  {
    invariant: 'store',
    rule: 'counts differ from the jobs',
    over: 'jobs',
    sql: `SELECT queue, ${jobMachine.states.map((state) => `sum(${state}) AS ${state}`).join(', ')} FROM (
        SELECT ${countColumns} FROM queue_counts UNION ALL
        SELECT queue, ${jobMachine.states.map((state) => `-(state = '${state}')`).join(', ')} FROM jobs)
      GROUP BY queue HAVING ${jobMachine.states.map((state) => `sum(${state}) <> 0`).join(' OR ')}
      ORDER BY queue`,
  },
];

const attemptRules: readonly Rule[] = [
  {
    invariant: 'I3',
    rule: 'the attempts of a job are not numbered 1, 2, 3, …',
    over: 'attempts',
    sql: `SELECT jobs.id, jobs.attempt, count(past.attempt) AS past, max(past.attempt) AS last FROM jobs
      LEFT JOIN past_attempts AS past ON past.job_id = jobs.id GROUP BY jobs.seq
      HAVING past <> coalesce(last, 0) OR past + (jobs.claimed_at_ms IS NOT NULL) <> jobs.attempt
      ORDER BY jobs.seq`,
  },
  {
    invariant: 'I3',
    rule: 'an attempt belongs to no job',
    over: 'attempts',
    sql: `SELECT job_id, attempt FROM past_attempts
      WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job_id) ORDER BY job_id, attempt`,
  },
  {
    invariant: 'I9',
    rule: 'an attempt ended otherwise than its event tells',
    over: 'attempts',
    sql: `WITH told AS MATERIALIZED (
        SELECT ${eventColumns} FROM ${eachEvent('events')}
        WHERE log.data->>'from' IN ('claimed', 'running') AND log.kind <> 'job.running')
      SELECT a.job_id, a.attempt, a.reason, a.exit_code FROM (${endedAttempts}) AS a
        LEFT JOIN told AS e ON e.job_id = a.job_id AND e.attempt = a.attempt
          AND e.data->>'reason' IS a.reason AND e.data->>'exitCode' IS a.exit_code
      WHERE (SELECT seq - job_count FROM events ORDER BY seq LIMIT 1) = 0 AND e.job_id IS NULL
      ORDER BY a.job_id, a.attempt`,
  },
];

const queueRules: readonly Rule[] = [
  {
    invariant: 'store',
    rule: 'a job that is not pending waits for its key',
    over: 'jobs',
    sql: `SELECT id, state FROM jobs
      WHERE waits_for_key <> 0 AND (state <> 'pending' OR concurrency_key IS NULL) ORDER BY seq`,
  },
  {
    invariant: 'I8',
    rule: 'of a key more jobs are ready than have room, or fewer while others wait',
    over: 'queues',
    sql: `SELECT queue, concurrency_key, key_concurrency_max AS room, sum(state <> 'pending') AS held,
        sum(state = 'pending' AND NOT waits_for_key) AS ready, sum(waits_for_key) AS waiting
      FROM jobs JOIN queues ON queues.name = jobs.queue
      WHERE concurrency_key IS NOT NULL AND state IN ('pending', 'claimed', 'running')
      GROUP BY queue, concurrency_key
      HAVING (ready > 0 AND held + ready > room)
        OR (waiting > 0 AND held + ready < coalesce(room, held + ready + 1))
      ORDER BY queue, concurrency_key`,
  },
];

const tellRules: readonly Rule[] = [
  {
    invariant: 'I9',
    rule: 'an event is missing',
    over: 'events',
    sql: `SELECT seq + 1 AS first_missing FROM events AS e
      WHERE (SELECT next.seq - next.job_count FROM events AS next WHERE next.seq > e.seq
        ORDER BY next.seq LIMIT 1) <> e.seq ORDER BY seq`,
  },
  {
    invariant: 'store',
    rule: 'a run of a schedule has fired more than once',
    over: 'schedules',
    // A key that is used again after its job was forgotten makes a job of the same id.
    sql: `SELECT job_id, sum(kind = 'schedule.fired') - sum(kind = 'job.forgotten') AS n FROM events
      WHERE kind IN ('schedule.fired', 'job.forgotten') GROUP BY job_id HAVING n > 1 ORDER BY job_id`,
  },
  {
    invariant: 'store',
    rule: 'a run belongs to no schedule',
    over: 'schedules',
    sql: `SELECT id, schedule FROM schedule_runs
      WHERE schedule NOT IN (SELECT name FROM schedules) ORDER BY seq`,
  },
  {
    invariant: 'store',
    rule: 'a schedule has told other numbers than it has counted',
    over: 'schedules',
    // That it was made may be forgotten among the events, and with it some of what it has fired since.
    sql: `SELECT name, fired, told FROM (
        SELECT name, fired, made, (
          SELECT count(*) FROM events WHERE kind = 'schedule.fired' AND data->>'schedule' = name
            AND seq > coalesce(made, 0)) AS told
        FROM (
          SELECT name, fired, (SELECT max(seq) FROM events
            WHERE kind = 'schedule.created' AND data->>'schedule' = name) AS made FROM schedules))
      WHERE fired < told OR (made IS NOT NULL AND fired <> told) ORDER BY name`,
  },
  {
    invariant: 'store',
    rule: 'a webhook is ahead of the events',
    over: 'webhooks',
    sql: `SELECT name, cursor_seq FROM webhooks
      WHERE cursor_seq > (SELECT coalesce(max(seq), 0) FROM events) ORDER BY name`,
  },
  {
    invariant: 'store',
    rule: 'a delivery has no webhook, or is tried again although its event is done with',
    over: 'webhooks',
    sql: `SELECT d.webhook, d.id, d.state FROM webhook_deliveries AS d
      LEFT JOIN webhooks ON webhooks.name = d.webhook
      WHERE webhooks.name IS NULL OR (d.state = 'retrying' AND d.event_seq <= webhooks.cursor_seq)
      ORDER BY d.seq`,
  },
];

/** All of them. */
export const rules: readonly Rule[] = [
  ...jobRules,
  ...attemptRules,
  ...queueRules,
  ...lineRules,
  ...togetherRules,
  ...answerRules,
  ...tellRules,
];
