/**
 * Searches: each walks one index, newest first, over a bounded stretch of it, and tests each job there for the rest
 * of what is asked.
 */
import { inState, type StateKind, stateKinds, statesOfKind } from './by-state.ts';
import { define, literals } from './define.ts';
import { jobColumns } from './jobs.ts';

/** A stretch of seq: `floor` and `before` themselves are outside. */
type Stretch = { floor: number; before: number };
/** What each job on the way must meet; null asks nothing. `states` is a JSON list, `labels` `[[name, value], …]`. */
type Conditions = {
  states: string | null;
  queue: string | null;
  tenant: string | null;
  group: string | null;
  text: string | null;
  labels: string;
  createdAfterMs: number | null;
  createdBeforeMs: number | null;
};

/** How a search walks, and what it needs for it. */
interface Walk {
  readonly from: string;
  /** The column that has the sequence number. */
  readonly seq: string;
  readonly where: string;
}

const byState = (kind: StateKind): Walk => ({ ...inState(kind, ':queue', ':state'), seq: 'jobs.seq' });

const walks = {
  all: { from: 'jobs', seq: 'jobs.seq', where: 'jobs.seq > 0' },
  pending: byState('pending'),
  waiting: byState('waiting'),
  taken: byState('taken'),
  over: byState('over'),
  tenant: {
    from: 'jobs INDEXED BY jobs_by_tenant',
    seq: 'jobs.seq',
    where: "jobs.tenant = :tenant AND jobs.tenant <> 'default'",
  },
  group: { from: 'jobs INDEXED BY jobs_by_group', seq: 'jobs.seq', where: 'jobs.group_name = :group' },
  label: {
    from: 'job_labels AS label CROSS JOIN jobs ON jobs.seq = label.job_seq',
    seq: 'label.job_seq',
    where: 'label.name = :labelName AND label.value = :labelValue',
  },
} as const satisfies Record<string, Walk>;

/** The index a search walks; that of a kind of states for one queue and one state of this kind. */
export type WalkName = keyof typeof walks;
type WalkValues = {
  state: string | null;
  queue: string | null;
  tenant: string | null;
  group: string | null;
  labelName: string | null;
  labelValue: string | null;
};

/** The command as one text, its arguments with a blank between them. */
const commandText = `(SELECT group_concat(part.value, ' ') FROM job_data
  CROSS JOIN json_each(job_data.spec, '$.command') AS part WHERE job_data.seq = jobs.seq)`;

/** `+` keeps the planner on the index of the walk. */
const conditions = `(:states IS NULL OR instr(:states, '"' || jobs.state || '"') > 0)
  AND (:queue IS NULL OR +jobs.queue = :queue)
  AND (:tenant IS NULL OR +jobs.tenant = :tenant)
  AND (:group IS NULL OR +jobs.group_name = :group)
  AND (:createdAfterMs IS NULL OR jobs.created_at_ms > :createdAfterMs)
  AND (:createdBeforeMs IS NULL OR jobs.created_at_ms < :createdBeforeMs)
  AND NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM job_labels AS has
      WHERE has.name = wanted.value->>0 AND has.value = wanted.value->>1 AND has.job_seq = jobs.seq))
  AND (:text IS NULL OR instr(lower(${commandText}), lower(:text)) > 0)`;

function searchBy({ from, seq, where }: Walk, name: WalkName) {
  return define<Stretch & Conditions & WalkValues & { limit: number }>(
    `search.jobs.${name}`,
    `SELECT ${jobColumns} FROM ${from}
     WHERE ${where} AND ${seq} > :floor AND ${seq} < :before AND ${conditions}
     ORDER BY ${seq} DESC LIMIT +:limit`,
  );
}

function floorBy({ from, seq, where }: Walk, name: WalkName) {
  return define<Stretch & WalkValues & { looked: number }>(
    `search.floor.${name}`,
    `SELECT ${seq} AS seq FROM ${from} WHERE ${where} AND ${seq} > :floor AND ${seq} < :before
     ORDER BY ${seq} DESC LIMIT 1 OFFSET +:looked`,
  );
}

/** Those of the pair of queue and state that `pair` is; the indexes of other kinds are not walked. */
const ofPair = stateKinds
  .map((kind) => {
    const { from, where } = inState(kind, 'pair.value->>0', 'pair.value->>1');
    return `SELECT seq FROM (SELECT jobs.seq FROM ${from}
      WHERE pair.value->>1 IN (${literals(statesOfKind(kind))}) AND ${where}
        AND jobs.seq > :floor AND jobs.seq < :before AND ${conditions}
      ORDER BY jobs.seq DESC LIMIT +:limit)`;
  })
  .join(' UNION ALL ');

/** Up to `limit` jobs of the stretch that meet the conditions, newest first. */
export const searches = {
  all: searchBy(walks.all, 'all'),
  tenant: searchBy(walks.tenant, 'tenant'),
  group: searchBy(walks.group, 'group'),
  label: searchBy(walks.label, 'label'),
} as const;

/**
 * The same of pairs of queue and state, a JSON list of `[queue, state]`: all in one read, so that a job that goes from
 * one of them to another meanwhile is found, and once.
 */
export const searchPairs = define<Stretch & Conditions & { pairs: string; limit: number }>(
  'search.jobs.pairs',
  `SELECT ${jobColumns} FROM jobs WHERE seq IN (
     SELECT best.seq FROM json_each(:pairs) AS pair CROSS JOIN jobs AS best WHERE best.seq IN (${ofPair})
     ORDER BY best.seq DESC LIMIT +:limit)
   ORDER BY seq DESC`,
);

/** Where a stretch ends that has `looked` jobs of the walk; no row when all of them are in it. */
export const floors = {
  all: floorBy(walks.all, 'all'),
  pending: floorBy(walks.pending, 'pending'),
  waiting: floorBy(walks.waiting, 'waiting'),
  taken: floorBy(walks.taken, 'taken'),
  over: floorBy(walks.over, 'over'),
  tenant: floorBy(walks.tenant, 'tenant'),
  group: floorBy(walks.group, 'group'),
  label: floorBy(walks.label, 'label'),
} as const;

/** The newest job up to `seq`, and when it was submitted. */
export const createdUpTo = define<{ seq: number }>(
  'search.createdUpTo',
  'SELECT seq, created_at_ms FROM jobs WHERE seq <= :seq ORDER BY seq DESC LIMIT 1',
);
