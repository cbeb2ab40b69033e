/** How much memory the process of a VM has taken of the host. */
import { readFile } from 'node:fs/promises';
import type { ProcessIdentity } from '../hypervisor/hypervisor.ts';
import { isRunning } from '../hypervisor/process-table.ts';

/** Its own, without files that others map, too; undefined when the process is gone or may not be looked at. */
export async function ownMiBOf(vmm: ProcessIdentity): Promise<number | undefined> {
  try {
    if (!isRunning(vmm)) return undefined;
    const status = await readFile(`/proc/${vmm.pid}/status`, 'utf8');
    const kib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) / 1_024;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EACCES') throw error;
    return undefined;
  }
}
