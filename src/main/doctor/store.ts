/** Checks that the store can be opened and its schema is one this program knows. */
import { access } from 'node:fs/promises';
import { asBlixardError, isBlixardError } from '../../domain/errors.ts';
import { silentLog } from '../../platform/log.ts';
import { openSqlite } from '../../store/sqlite/sqlite.ts';
import { storeFileIn } from '../paths.ts';
import { type Check, fail, ok } from './check.ts';

/** The store opens, or another process has it open. */
export const storeCheck: Check = {
  name: 'store',
  async look({ config: { dataDir }, clock }) {
    const file = storeFileIn(dataDir);
    if (!(await isThere(file))) return ok(`${file} is made at the first start`);
    try {
      const db = await openSqlite({ file, clock, log: silentLog });
      await db.close();
      return ok(file);
    } catch (error) {
      if (isBlixardError(error, 'STORE_LOCKED')) return ok(`${file}, in use: ${error.details['owner']}`);
      const known = asBlixardError(error);
      return fail(known.message, known.entry.hint);
    }
  },
};

async function isThere(file: string): Promise<boolean> {
  const [found] = await Promise.allSettled([access(file)]);
  return found.status === 'fulfilled';
}
