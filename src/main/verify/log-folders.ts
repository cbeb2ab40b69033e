/** I7 of logs: each folder belongs to a job, each in it to an attempt of that job, and its files are whole. */
import { access, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName, wholeRecordsOf } from '../../control/logs/segment.ts';
import { isUuidV7 } from '../../domain/ids.ts';
import type { StoreSnapshot } from '../../store/sqlite/snapshot.ts';
import { integerOrNull } from '../../store/statements/columns.ts';
import type { Findings } from '../../store/verify/findings.ts';
import { traceOfJob } from '../../store/verify/reads.ts';

/** Looks at every folder; a folder made or removed meanwhile is no violation. */
export async function verifyLogFolders(dir: string, store: StoreSnapshot, found: Findings): Promise<void> {
  let folders = 0;
  if (await isThere(dir)) {
    for await (const { name } of await opendir(dir)) {
      folders++;
      if (isUuidV7(name)) await verifyJobFolder(join(dir, name), name, store, found);
      else found.violated('I7', 'something among the logs is no log', name);
    }
  }
  found.looked('I7', 'log folders', 'log folders', folders);
}

async function verifyJobFolder(
  dir: string,
  id: string,
  store: StoreSnapshot,
  found: Findings,
): Promise<void> {
  const attempts = await namesIn(dir);
  // What the folder shows is older than what the store now says.
  store.renew();
  const [trace = {}] = await store.query(traceOfJob.with({ id, attempt: 0 }));
  const newest = integerOrNull(trace, 'attempts');
  if (newest === null) {
    if (trace['logs_must_go'] === 0 && (await isThere(dir)))
      found.violated('I7', 'a log belongs to no job', `job ${id}`);
    return;
  }
  for (const name of attempts) {
    const number = /^[1-9]\d{0,8}$/.test(name) ? Number(name) : Number.NaN;
    if (number <= newest) await verifyLog(join(dir, name), `job ${id}, attempt ${name}`, found);
    else found.violated('I7', 'a log belongs to no attempt', `job ${id}, attempt ${name} of ${newest}`);
  }
}

/** The start of a record at the very end may be an upload that was cut off: it is not counted as written. */
async function verifyLog(dir: string, log: string, found: Findings): Promise<void> {
  for (const name of await namesIn(dir)) {
    if (parseSegmentName(name) === undefined)
      found.violated('I7', 'something in a log is no part of it', `${log}: ${name}`);
    else if ((await wholeRecordsOf(join(dir, name))).damaged)
      found.violated('I7', 'a log is damaged', `${log}: ${name}`);
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    // It was removed meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  const [found] = await Promise.allSettled([access(path)]);
  return found.status === 'fulfilled';
}
