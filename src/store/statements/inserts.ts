/**
 * New jobs of submits that came in together, each of which stands for itself: several rows by one statement, and those
 * that are alike told and counted as one set. What stands in the way of one keeps only that one out.
 */
import { define, defineRows, defineSet } from './define.ts';
import { insertSet, jobsAlone } from './event-sets.ts';
import { imageIsFine, insertJob, insertJobData, isUnused, type NewJob } from './jobs.ts';

/** So many make the work of a statement for each of them a third less; twice as many gain no more. */
const together = 8;

/** Like `insertJob` for each of them. */
export const insertTogether = defineRows(insertJob, together);

/** Like `insertJobData` for each of them. */
export const insertDataTogether = defineRows(insertJobData, together);

/** What the jobs of a set have in common. */
export const alike = [
  ...['queue', 'executor', 'image', 'state', 'priority', 'runAtMs', 'expiresAtMs', 'tenant', 'attemptsMax'],
  ...['groupName', 'nowMs'],
] as const satisfies readonly (keyof NewJob)[];

type Alike = Pick<NewJob, (typeof alike)[number]>;
type Apart = Pick<NewJob, 'id' | 'idempotencyKey' | 'uniqueKey'>;
type Spec = { id: string; spec: string };

/** A job with an empty claim token is not told by its trigger. */
const insertAlike = (count: number) =>
  defineSet<Alike, Apart>(
    `inserts.alike${count}`,
    `INSERT OR IGNORE INTO jobs
       (claim_token, id, idempotency_key, unique_key, queue, executor, image, state, priority, run_at_ms, expires_at_ms,
        tenant, attempts_max, group_name, created_at_ms, updated_at_ms)
     SELECT '', column1, column2, column3, :queue, :executor,
       iif(${imageIsFine(':image', ':executor')} AND ${isUnused('column1', 'column2')}, :image, NULL), :state,
       :priority, :runAtMs, :expiresAtMs, :tenant, :attemptsMax, :groupName, :nowMs, :nowMs
     FROM ( VALUES rows)`,
    '(:id, :idempotencyKey, :uniqueKey)',
    count,
  );

const insertSpecs = (count: number) =>
  defineSet<Record<never, never>, Spec>(
    `inserts.specs${count}`,
    `INSERT OR IGNORE INTO job_data (seq, spec)
     SELECT jobs.seq, new.column2 FROM ( VALUES rows) AS new CROSS JOIN jobs WHERE jobs.id = new.column1`,
    '(:id, :spec)',
    count,
  );

/** What a statement costs beside its rows is what three rows of a set cost, so large parts come first. */
const partSizes = [4 * together, 2 * together, together, 2, 1];

/**
 * What stores a part of a set of `count` jobs, the largest first. `tellSubmitted` tells of the jobs of all parts before
 * their specs are stored; older jobs of the same ids keep theirs.
 */
export const setParts = partSizes.map((count) => ({
  count,
  jobs: insertAlike(count),
  specs: insertSpecs(count),
}));

/** What the event of a set tells of all its jobs. */
export const toldOfSet = ['queue', 'executor', 'image', 'state'] as const satisfies readonly (keyof NewJob)[];

/** Tells and counts the jobs of a set just inserted: those that have no spec yet. */
export const tellSubmitted = define<Pick<NewJob, (typeof toldOfSet)[number] | 'nowMs'>>(
  'inserts.tell',
  `${insertSet({
    kind: 'job.submitted',
    workerId: 'NULL',
    data: `'{"state":"' || :state || '","queue":"' || :queue || '","executor":"' || :executor || '","image":"' || :image
      || '"}'`,
    queue: ':queue',
    token: 'NULL',
    jobs: jobsAlone,
  })}
   FROM jobs WHERE jobs.seq > (SELECT coalesce(max(seq), 0) FROM job_data) AND jobs.claim_token = ''
   HAVING count(*) > 0`,
);
