/** The parents and children of one job, as they are told to users. */
import type { JobPage } from '../../contract/job.ts';
import type { QueryOf } from '../../contract/routes.ts';
import { defaults } from '../../domain/defaults.ts';
import type { Database } from '../../store/database.ts';
import { text } from '../../store/statements/columns.ts';
import { childrenOf, openParents } from '../../store/statements/together.ts';
import { seqOf } from '../cursor.ts';
import { readJobRows } from '../spec-pages.ts';
import { jobOf } from '../views.ts';

/** Parents named of a job that waits for more. */
const parentsShown = 5;

/** A page of the jobs that run after this one, oldest first. Throws VALIDATION_FAILED for a bad cursor. */
export async function readChildren(
  db: Database,
  id: string,
  query: QueryOf<'listChildren'>,
): Promise<JobPage> {
  const limit = query.limit ?? defaults.pageSize;
  const after = query.cursor === undefined ? 0 : seqOf('children', query.cursor);
  const { rows, nextCursor } = await readJobRows('children', after, limit, (from, most) =>
    db.query(childrenOf.with({ id, after: from, limit: most })),
  );
  return { jobs: rows.map((row) => jobOf(row)), nextCursor };
}

/** Which jobs a blocked one waits for, in words; null when none is left. */
export async function whyBlocked(db: Database, id: string): Promise<string | null> {
  const rows = await db.query(openParents.with({ id }));
  if (rows.length === 0) return null;
  const shown = rows.slice(0, parentsShown).map((row) => `${text(row, 'id')} (${text(row, 'state')})`);
  const more = rows.length > parentsShown ? ` and ${rows.length - parentsShown} more` : '';
  return `It runs after ${shown.join(', ')}${more}.`;
}
