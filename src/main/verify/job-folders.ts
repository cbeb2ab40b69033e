/** I7 of folders by job and attempt: each belongs to a job, and each in it to an attempt of that job. */
import { access, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuidV7 } from '../../domain/ids.ts';
import type { StoreSnapshot } from '../../store/sqlite/snapshot.ts';
import { integerOrNull } from '../../store/statements/columns.ts';
import type { Findings } from '../../store/verify/findings.ts';
import { traceOfJob } from '../../store/verify/reads.ts';

/** What lies in the folders. */
export interface FolderKind {
  readonly one: 'a log' | 'an artifact';
  readonly many: 'logs' | 'artifacts';
  /** Looks into the folder of an attempt that is known. */
  verifyAttempt(dir: string, label: string, found: Findings): Promise<void>;
}

/** Looks at every folder; a folder made or removed meanwhile is no violation. */
export async function verifyJobFolders(
  dir: string,
  kind: FolderKind,
  store: StoreSnapshot,
  found: Findings,
): Promise<void> {
  let folders = 0;
  if (await isThere(dir)) {
    for await (const { name } of await opendir(dir)) {
      folders++;
      if (isUuidV7(name)) await verifyJobFolder(join(dir, name), name, kind, { store, found });
      else
        found.violated('I7', `something among the ${kind.many} is ${kind.one.replace(/^an? /, 'no ')}`, name);
    }
  }
  const looked = `folders of ${kind.many}`;
  found.looked('I7', looked, looked, folders);
}

async function verifyJobFolder(
  dir: string,
  id: string,
  { one, verifyAttempt }: FolderKind,
  { store, found }: { readonly store: StoreSnapshot; readonly found: Findings },
): Promise<void> {
  const attempts = await namesIn(dir);
  // What the folder shows is older than what the store now says.
  store.renew();
  const [trace = {}] = await store.query(traceOfJob.with({ id, attempt: 0 }));
  const newest = integerOrNull(trace, 'attempts');
  if (newest === null) {
    if (trace['logs_must_go'] === 0 && (await isThere(dir)))
      found.violated('I7', `${one} belongs to no job`, `job ${id}`);
    return;
  }
  for (const name of attempts) {
    const number = /^[1-9]\d{0,8}$/.test(name) ? Number(name) : Number.NaN;
    if (number <= newest) await verifyAttempt(join(dir, name), `job ${id}, attempt ${name}`, found);
    else found.violated('I7', `${one} belongs to no attempt`, `job ${id}, attempt ${name} of ${newest}`);
  }
}

/** What is in a folder; nothing when it was removed meanwhile. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  const [found] = await Promise.allSettled([access(path)]);
  return found.status === 'fulfilled';
}
