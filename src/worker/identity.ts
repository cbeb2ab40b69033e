/** Who this worker is: an id made once and kept on its disk, held by one process at a time. */
import { join } from 'node:path';
import { BlixardError } from '../domain/errors.ts';
import { isUuidV7 } from '../domain/ids.ts';
import { lockDirectory } from '../platform/directory-lock.ts';
import { readTextIfThere, writeFileDurably } from '../platform/files.ts';
import type { Ids } from '../platform/random.ts';

/** Held by this process until released. */
export interface WorkerIdentity {
  readonly id: string;
  release(): Promise<void>;
}

/**
 * Takes the identity kept in `<dataDir>/worker.json`, made on the first start. Rejects with WORKER_LOCKED when
 * another process has it: two workers of one id would fence each other for ever.
 */
export async function takeIdentity(deps: { dataDir: string; ids: Ids }): Promise<WorkerIdentity> {
  const lock = await lockDirectory(deps.dataDir, 'worker');
  if (lock === undefined) throw new BlixardError('WORKER_LOCKED', { dir: deps.dataDir });
  try {
    const id = await idIn(join(deps.dataDir, 'worker.json'), deps.ids);
    return { id, release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function idIn(file: string, ids: Ids): Promise<string> {
  const text = await readTextIfThere(file);
  if (text !== undefined) return parseId(text, file);
  const id = ids();
  await writeFileDurably(file, `${JSON.stringify({ id })}\n`);
  return id;
}

function parseId(text: string, file: string): string {
  const id = /^\s*\{\s*"id":\s*"([^"]+)"\s*\}\s*$/.exec(text)?.[1] ?? '';
  if (isUuidV7(id)) return id;
  throw new BlixardError('CONFIG_INVALID', {
    key: 'id',
    value: text.slice(0, 80),
    source: file,
    problem: 'this is not {"id": "<UUID version 7>"}; remove the file for a new identity',
  });
}
