import { expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import type { Database } from '../store/database.ts';
import { openControl, settle, trueJob } from './control.suite.ts';
import { JobCommands } from './job-commands.ts';
import { Scheduler } from './scheduler.ts';
import { tellingStore } from './telling-store.ts';

/** Commits, and says that it does not know. */
function losingAnswers(db: Database): Database {
  return {
    batch: async (statements) => {
      await db.batch(statements);
      throw new BlixardError('STORE_UNAVAILABLE', { problem: 'the answer was lost' });
    },
    query: (statement, options) => db.query(statement, options),
    close: () => db.close(),
  };
}

it('a job whose submit was not answered is due at its time all the same', async () => {
  const control = await openControl();
  const scheduler = new Scheduler({ ...control, random: seededRandom(1), log: silentLog });
  scheduler.start();
  await settle();
  const db = tellingStore(losingAnswers(control.db), control);
  const jobs = new JobCommands({ ...control, db });
  const id = control.ids();
  await expect(jobs.submit({ ...trueJob, id, delayMs: 60_000 })).rejects.toThrow('the answer was lost');
  await settle();
  expect((await control.queries.get(id)).state).toBe('scheduled');
  control.clock.advance(60_000);
  await settle();
  expect((await control.queries.get(id)).state).toBe('pending');
  await scheduler.stop();
  await control.close();
});
