/** Pages of jobs, attempts and events, and totals: each page starts at a key and reads only what it shows. */
import { heldStates } from '../../domain/job.ts';
import { inState, type StateKind, stateKinds } from './by-state.ts';
import { define, literals } from './define.ts';
import { jobColumns } from './jobs.ts';

const page = 'seq < :before ORDER BY seq DESC LIMIT +:limit';

type Page = { before: number; limit: number };

/** All jobs, newest first, from the one before `before`. */
export const listJobs = define<Page>('lists.jobs', `SELECT ${jobColumns} FROM jobs WHERE ${page}`);

/** The newest jobs of the queue `c` in a state; there are none but those of its kind. */
const newestIn = (state: string, limit: string): string => {
  const ofKind = (kind: StateKind) => {
    const { from, where } = inState(kind, 'c.queue', state);
    return `SELECT seq FROM (SELECT jobs.seq FROM ${from} WHERE ${where} AND jobs.seq < :before
      ORDER BY jobs.seq DESC LIMIT ${limit})`;
  };
  return stateKinds.map(ofKind).join(' UNION ALL ');
};

/** A page out of more jobs than it has, all of which an index gave. */
const pageOf = (candidates: string): string =>
  `SELECT ${jobColumns} FROM jobs WHERE seq IN (${candidates} ORDER BY best.seq DESC LIMIT +:limit) ORDER BY seq DESC`;

/**
 * The same of some states, a JSON list. Only as many pairs of queue and state as a page has jobs can have a part in it:
 * those whose newest is newest. An index of states alone would be written at every step of every job.
 */
export const listJobsByStates = define<Page & { states: string }>(
  'lists.jobsByStates',
  pageOf(`SELECT best.seq FROM (
      SELECT c.queue, s.value AS state, (${newestIn('s.value', '1')}) AS newest
      FROM queue_counts AS c CROSS JOIN json_each(:states) AS s
      WHERE c.queue > '' ORDER BY newest DESC, c.queue, s.value LIMIT +:limit) AS c
    CROSS JOIN jobs AS best WHERE best.seq IN (${newestIn('c.state', '+:limit')})`),
);

/** The same of one queue and some states: out of the newest of each. */
export const listJobsByQueue = define<Page & { queue: string; states: string }>(
  'lists.jobsByQueue',
  pageOf(`SELECT best.seq FROM queue_counts AS c CROSS JOIN json_each(:states) AS s
    CROSS JOIN jobs AS best WHERE c.queue = :queue AND best.seq IN (${newestIn('s.value', '+:limit')})`),
);

const listByQueueAndState = (kind: StateKind) => {
  const { from, where } = inState(kind, ':queue', ':state');
  return define<Page & { queue: string; state: string }>(
    `lists.jobsByQueueAndState.${kind}`,
    `SELECT ${jobColumns} FROM ${from} WHERE ${where} AND ${page}`,
  );
};

/** The same of one queue and state, by the kind of the state. */
export const listJobsByQueueAndState = {
  pending: listByQueueAndState('pending'),
  waiting: listByQueueAndState('waiting'),
  taken: listByQueueAndState('taken'),
  over: listByQueueAndState('over'),
} as const;

/** Memory is stored where it is other than in the spec. */
const memoryOr = (spec: string): string => `coalesce(memory_mib, ${spec}) AS memory_mib`;
const attemptColumns = `attempt, worker_id, claimed_at_ms, started_at_ms, ended_at_ms, reason, exit_code, signal,
  message, vm, usage`;

/** The newest attempt of a job, unless the job waits again after it. */
export const newestAttempt = define<{ jobId: string }>(
  'lists.newestAttempt',
  `SELECT id AS job_id, iif(state IN (${literals(heldStates)}), state, 'ended') AS state, ${attemptColumns},
     ${memoryOr("(SELECT spec->>'memoryMiB' FROM job_data WHERE job_data.seq = jobs.seq)")}
   FROM jobs WHERE id = :jobId AND claimed_at_ms IS NOT NULL`,
);

/** The other attempts of a job, newest first. */
export const pastAttempts = define<{ jobId: string; limit: number }>(
  'lists.pastAttempts',
  `SELECT job_id, 'ended' AS state, ${attemptColumns},
     ${memoryOr("(SELECT spec->>'memoryMiB' FROM job_data WHERE seq = (SELECT seq FROM jobs WHERE id = :jobId))")}
   FROM past_attempts WHERE job_id = :jobId ORDER BY attempt DESC LIMIT +:limit`,
);

/** Answers when the store does. */
export const probe = define<Record<never, never>>('lists.probe', 'SELECT 1 AS ok');
