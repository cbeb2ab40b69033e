/** Jobs that run after others: what the end of a parent does to its children; and groups of jobs. */
import { jobMachine } from '../../domain/job.ts';
import { define, literals } from './define.ts';
import { jobColumns } from './jobs.ts';
import { movedColumns } from './work.ts';

/**
 * Parents that have ended and still have children to be told, each with some of them, and those without any left
 * (with nulls for the child).
 */
export const untoldChildren = define<{ limit: number }>(
  'together.untoldChildren',
  `SELECT ended.parent_id, edge.child_seq, child.id AS child_id
   FROM ended_parents AS ended
   LEFT JOIN job_parents AS edge INDEXED BY job_parents_open
     ON edge.parent_id = ended.parent_id AND edge.state = 'open'
   LEFT JOIN jobs AS child ON child.seq = edge.child_seq
   WHERE ended.parent_id > '' ORDER BY ended.parent_id, edge.child_seq LIMIT +:limit`,
);

/** A new blocked job waits for those of a JSON list of ids that have not ended, too, whatever end that will be. */
export const insertWaits = define<{ id: string; ids: string }>(
  'together.insertWaits',
  `INSERT INTO job_parents (child_seq, parent_id, state, only_waits)
   SELECT child.seq, parent.id, 'open', 1
   FROM jobs AS child CROSS JOIN json_each(:ids) AS named CROSS JOIN jobs AS parent
   WHERE child.id = :id AND +child.state = 'blocked' AND parent.id = named.value AND parent.ended_at_ms IS NULL
   ON CONFLICT (child_seq, parent_id) DO NOTHING`,
);

/** How the parents of `[{parentId, childSeq}]` ended is written down, unless one was put back meanwhile. */
export const tellChildren = define<{ edges: string }>(
  'together.tellChildren',
  `UPDATE job_parents SET state = iif(only_waits = 1, 'done', ended.state)
   FROM json_each(:edges) AS d CROSS JOIN ended_parents AS ended
   WHERE ended.parent_id = d.value->>'parentId' AND job_parents.child_seq = d.value->>'childSeq'
     AND job_parents.parent_id = ended.parent_id AND +job_parents.state = 'open'`,
);

/** Of the parents of a JSON list of ids, those without untold children are done with. */
export const parentsTold = define<{ parents: string }>(
  'together.parentsTold',
  `DELETE FROM ended_parents WHERE parent_id IN (SELECT value FROM json_each(:parents)) AND NOT EXISTS (
     SELECT 1 FROM job_parents INDEXED BY job_parents_open
     WHERE job_parents.parent_id = ended_parents.parent_id AND job_parents.state = 'open')`,
);

/** Blocked jobs of a JSON list of ids that must not run, because a parent failed or was cancelled, end. */
export const endChildren = define<{ ids: string; nowMs: number }>(
  'together.endChildren',
  `UPDATE jobs SET
     state = CASE WHEN after_failed = 'fail' AND bad.state = 'failed' THEN 'failed' ELSE 'cancelled' END,
     reason = CASE WHEN after_failed = 'skip' THEN 'skipped' ELSE 'parent_' || bad.state END,
     exit_code = NULL, signal = NULL, ended_at_ms = :nowMs, updated_at_ms = :nowMs,
     message = 'It was to run after job ' || bad.parent_id || ', which '
       || CASE bad.state WHEN 'failed' THEN 'failed.' ELSE 'was cancelled.' END
   FROM json_each(:ids) AS d CROSS JOIN job_parents AS bad
   WHERE jobs.id = d.value AND +jobs.state = 'blocked' AND jobs.after_failed <> 'run'
     AND bad.child_seq = jobs.seq AND bad.parent_id = (
       SELECT min(parent_id) FROM job_parents
       WHERE child_seq = jobs.seq AND state IN ('failed', 'cancelled'))
   RETURNING ${movedColumns}`,
);

/** Blocked jobs of a JSON list of ids that wait for no parent any more take their place in the line. */
export const releaseChildren = define<{ ids: string; nowMs: number }>(
  'together.releaseChildren',
  `UPDATE jobs SET state = CASE WHEN run_at_ms > :nowMs THEN 'scheduled' ELSE 'pending' END,
     run_at_ms = max(run_at_ms, :nowMs), updated_at_ms = :nowMs
   WHERE id IN (SELECT value FROM json_each(:ids)) AND +state = 'blocked' AND NOT EXISTS (
     SELECT 1 FROM job_parents WHERE child_seq = jobs.seq AND job_parents.state = 'open')
   RETURNING ${movedColumns}`,
);

/** The parents a job still waits for, with their states. */
export const openParents = define<{ id: string }>(
  'together.openParents',
  `SELECT parent.id, parent.state
   FROM jobs CROSS JOIN job_parents AS edge CROSS JOIN jobs AS parent
   WHERE jobs.id = :id AND edge.child_seq = jobs.seq AND edge.state = 'open' AND parent.id = edge.parent_id`,
);

/** Those of a JSON list of ids that are the id of no job. */
export const unknownIds = define<{ ids: string }>(
  'together.unknownIds',
  `SELECT value AS id FROM json_each(:ids) AS named
   WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = named.value)`,
);

/** A page of the jobs that run after a job, oldest first, from the one after `after`. */
export const childrenOf = define<{ id: string; after: number; limit: number }>(
  'together.childrenOf',
  `SELECT ${jobColumns} FROM jobs WHERE seq IN (
     SELECT child_seq FROM job_parents INDEXED BY job_parents_by_parent
     WHERE parent_id = :id AND child_seq > :after ORDER BY child_seq LIMIT +:limit)
   ORDER BY seq`,
);

const groupColumns = `name, ${jobMachine.states.join(', ')},
  (SELECT created_at_ms FROM jobs INDEXED BY jobs_by_group
   WHERE group_name = job_groups.name ORDER BY seq LIMIT 1) AS oldest_at_ms,
  (SELECT created_at_ms FROM jobs INDEXED BY jobs_by_group
   WHERE group_name = job_groups.name ORDER BY seq DESC LIMIT 1) AS newest_at_ms`;

/** A page of groups, by name. */
export const groupsAfter = define<{ after: string; limit: number }>(
  'together.groupsAfter',
  `SELECT ${groupColumns} FROM job_groups WHERE name > :after ORDER BY name LIMIT +:limit`,
);

/** One group. */
export const groupByName = define<{ name: string }>(
  'together.groupByName',
  `SELECT ${groupColumns} FROM job_groups WHERE name = :name`,
);

const unstarted = jobMachine.sourcesOf('cancelled').filter((state) => state !== 'running');
const going = `group_name = :name AND ended_at_ms IS NULL AND cancel_requested_at_ms IS NULL`;
const oldestGoing = `SELECT seq FROM jobs INDEXED BY jobs_going_by_group
  WHERE ${going} ORDER BY seq LIMIT +:limit`;
type CancelStep = { name: string; reason: string | null; by: string | null; limit: number; nowMs: number };

/** Of a group's jobs that nobody cancelled yet: those that run are asked to stop, the others end. */
export const cancelOfGroup = define<CancelStep>(
  'together.cancelOfGroup',
  `UPDATE jobs SET cancel_requested_at_ms = :nowMs, cancel_reason = :reason, cancelled_by = :by,
     updated_at_ms = :nowMs, state = CASE WHEN state IN (${literals(unstarted)}) THEN 'cancelled' ELSE state END,
     reason = CASE WHEN state IN (${literals(unstarted)}) THEN 'cancelled' ELSE reason END,
     message = CASE WHEN state IN (${literals(unstarted)}) THEN NULL ELSE message END,
     exit_code = CASE WHEN state IN (${literals(unstarted)}) THEN NULL ELSE exit_code END,
     signal = CASE WHEN state IN (${literals(unstarted)}) THEN NULL ELSE signal END,
     ended_at_ms = CASE WHEN state IN (${literals(unstarted)}) THEN :nowMs END
   WHERE seq IN (${oldestGoing})
   RETURNING worker_id, ${movedColumns}`,
);
