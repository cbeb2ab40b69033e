/** Rules of jobs that run after others, and of groups. */
import type { Rule } from './rule.ts';

const groupCounts = [
  'blocked',
  'scheduled',
  'pending',
  'claimed',
  'running',
  'completed',
  'failed',
  'cancelled',
]
  .map((state) => `SELECT name, '${state}' AS state, ${state} AS n FROM job_groups`)
  .join(' UNION ALL ');

export const togetherRules: readonly Rule[] = [
  {
    invariant: 'I1',
    rule: 'a job is blocked by no other, or is not although another has not ended',
    over: 'jobs',
    sql: `SELECT id, state FROM jobs WHERE state IN ('blocked', 'scheduled', 'pending', 'claimed', 'running')
        AND (state = 'blocked') <> EXISTS (
          SELECT 1 FROM job_parents WHERE child_seq = jobs.seq AND job_parents.state = 'open') ORDER BY seq`,
  },
  {
    invariant: 'I1',
    rule: 'a job has not heard of the end of one that it runs after, and will not',
    over: 'jobs',
    sql: `SELECT edge.child_seq, edge.parent_id FROM job_parents AS edge
      LEFT JOIN jobs AS parent ON parent.id = edge.parent_id
      WHERE edge.state = 'open' AND (parent.id IS NULL OR parent.ended_at_ms IS NOT NULL)
        AND edge.parent_id NOT IN (SELECT parent_id FROM ended_parents) ORDER BY edge.child_seq, edge.parent_id`,
  },
  {
    invariant: 'I1',
    rule: 'a blocked job was to end with one that it runs after',
    over: 'jobs',
    sql: `SELECT id FROM jobs WHERE state = 'blocked' AND after_failed <> 'run' AND EXISTS (
        SELECT 1 FROM job_parents WHERE child_seq = jobs.seq AND state IN ('failed', 'cancelled')) ORDER BY seq`,
  },
  {
    invariant: 'store',
    rule: 'jobs run after others than their specs say',
    over: 'jobs',
    sql: `SELECT child_seq, parent_id, sum(n) AS difference FROM (
        SELECT child_seq, parent_id, 1 AS n FROM job_parents WHERE only_waits = 0 UNION ALL
        SELECT DISTINCT job_data.seq, named.value, -1
        FROM job_data, json_each(job_data.spec, '$.after') AS named)
      GROUP BY child_seq, parent_id HAVING difference <> 0 ORDER BY child_seq, parent_id`,
  },
  {
    invariant: 'store',
    rule: 'the counts of a group differ from its jobs',
    over: 'jobs',
    sql: `SELECT name, state, sum(n) AS difference FROM (${groupCounts} UNION ALL
        SELECT group_name, state, -1 FROM jobs WHERE group_name IS NOT NULL)
      GROUP BY name, state HAVING difference <> 0 ORDER BY name, state`,
  },
  {
    invariant: 'store',
    rule: 'a group has no jobs',
    over: 'jobs',
    sql: `SELECT name FROM job_groups
      WHERE name NOT IN (SELECT group_name FROM jobs WHERE group_name IS NOT NULL) ORDER BY name`,
  },
];
