/** Rules of queues whose jobs stand in lines: every ready job in one, and no line open whose key has no token. */
import type { Rule } from './rule.ts';

export const lineRules: readonly Rule[] = [
  {
    invariant: 'store',
    rule: 'a job is in a line and not pending, or pending and in none while claims go by lines',
    over: 'jobs',
    sql: `SELECT id, jobs.state, line FROM jobs LEFT JOIN queues ON queues.name = jobs.queue
      WHERE (line IS NOT NULL AND jobs.state <> 'pending')
        OR (line IS NULL AND jobs.state = 'pending' AND coalesce(in_lines, 0)) ORDER BY jobs.seq`,
  },
  {
    invariant: 'store',
    rule: 'lines differ from the ready jobs in them',
    over: 'jobs',
    sql: `SELECT queue, line, executor, sum(n) AS difference FROM (
        SELECT queue, line, executor, ready AS n FROM fair_lines UNION ALL
        SELECT queue, line, executor, -1 FROM jobs WHERE line IS NOT NULL AND waits_for_key = 0)
      GROUP BY queue, line, executor HAVING difference <> 0 OR max(n) <= 0 ORDER BY queue, line, executor`,
  },
  {
    invariant: 'I8',
    rule: 'a line is closed although its key has a token, or open although it has none',
    over: 'queues',
    sql: `SELECT fair_lines.queue, line FROM fair_lines JOIN queues ON queues.name = fair_lines.queue
      LEFT JOIN rates ON rates.queue = fair_lines.queue AND rates.key = line AND line <> ''
      WHERE lines_by = 'key' AND in_lines AND closed <> (rates.opens_at_ms IS NOT NULL)
      ORDER BY fair_lines.queue, line`,
  },
];
