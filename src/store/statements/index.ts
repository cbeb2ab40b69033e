/** Every statement of the program in one list, for the tests that hold all of them to the same rules. */
import * as answers from './answers.ts';
import * as batch from './batch.ts';
import * as claimed from './claimed.ts';
import * as completed from './completed.ts';
import * as due from './due.ts';
import * as events from './events.ts';
import * as forget from './forget.ts';
import * as inserts from './inserts.ts';
import * as jobs from './jobs.ts';
import * as keyPolicy from './key-policy.ts';
import * as lines from './lines.ts';
import * as lists from './lists.ts';
import * as queues from './queues.ts';
import * as rates from './rates.ts';
import * as results from './results.ts';
import * as schedules from './schedules.ts';
import * as search from './search.ts';
import * as submit from './submit.ts';
import * as together from './together.ts';
import * as webhooks from './webhooks.ts';
import * as work from './work.ts';
import * as workerImages from './worker-images.ts';
import * as workers from './workers.ts';

interface Listed {
  readonly name: string;
  readonly sql: string;
  readonly params: readonly string[];
}

/** All named statements. */
export const allStatements: readonly Listed[] = [
  ...[
    answers,
    batch,
    claimed,
    completed,
    due,
    events,
    forget,
    inserts,
    jobs,
    keyPolicy,
    lines,
    lists,
    queues,
    rates,
    results,
    schedules,
    search,
    submit,
    together,
    webhooks,
    work,
    workerImages,
    workers,
  ],
].flatMap(statementsIn);

/** Statements of one kind may stand together in an object or a list. */
function statementsIn(value: unknown): Listed[] {
  if (isStatement(value)) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(statementsIn) : [];
}

function isStatement(value: unknown): value is Listed {
  return typeof value === 'object' && value !== null && 'sql' in value && 'params' in value;
}
