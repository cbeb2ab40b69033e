import { afterEach, beforeEach, expect, it } from 'vitest';
import { BlixardError } from '../../domain/errors.ts';
import { silentLog } from '../../platform/log.ts';
import { seededRandom } from '../../platform/random.ts';
import type { Database, Statement } from '../../store/database.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { claimShaped } from '../../store/statements/lines.ts';
import { claimAmongOthers, claimJobs, claimOfPair } from '../../store/statements/work.ts';
import { type Control, endOf, openControl, TestWorker, trueJob } from '../control.suite.ts';
import { WorkerCommands } from '../worker-commands.ts';

let control: Control;
let worker: TestWorker;
/** Jobs whose specs fit into one text of the store. */
let fitting: number;

beforeEach(async () => {
  const plain = await openControl();
  const db = holdingFew(plain.db);
  const workers = new WorkerCommands({ ...plain, db, random: seededRandom(1), log: silentLog });
  control = { ...plain, workers };
  worker = await TestWorker.join(control, { slots: 100 });
  fitting = 100;
});

afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

/** How many jobs a statement wants to claim. */
function wantOf({ sql, args = [] }: Statement): number {
  const claim = [claimShaped, claimJobs, claimAmongOthers, claimOfPair].find((each) => each.sql === sql);
  return claim === undefined ? 0 : Number(args[claim.params.indexOf('want')]);
}

/** A store that refuses, as SQLite does, to make one text of the specs of many jobs. */
function holdingFew(db: Database): Database {
  return {
    batch: async (statements) => {
      if (statements.some((each) => wantOf(each) > fitting))
        throw new BlixardError('CONSTRAINT', { problem: 'Unknown failure', statement: '1' });
      return await db.batch(statements);
    },
    query: (statement, options) => db.query(statement, options),
    close: () => db.close(),
  };
}

it('a claim of more specs than a text can hold gives fewer, and the ends of its call are written', async () => {
  await control.jobs.submitAll(Array.from({ length: 8 }, () => trueJob));
  const run = await worker.run();
  fitting = 3;
  const first = await worker.work({ want: 90, done: [endOf(run)] });
  expect(first.claimed).toHaveLength(2);
  expect((await control.queries.get(run.jobId)).state).toBe('completed');
  // It has found all it asked for: there is more.
  expect(await worker.claim(20)).toHaveLength(3);
  expect(await worker.claim(7)).toHaveLength(1);
  expect(await worker.claim(3)).toHaveLength(1);
  expect(await worker.claim(7)).toHaveLength(0);
});

it('a claim of one job that the store refuses is refused', async () => {
  await control.jobs.submit(trueJob);
  fitting = 0;
  await expect(worker.claim(9)).rejects.toMatchObject({ code: 'CONSTRAINT' });
});
