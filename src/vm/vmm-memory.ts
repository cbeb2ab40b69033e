/** How much memory the process of a VM has taken of the host. */
import { readFile } from 'node:fs/promises';
import type { ProcessIdentity } from '../hypervisor/hypervisor.ts';
import { isRunning } from '../hypervisor/process-table.ts';

/** Resident, pages shared with others included; undefined when the process is gone or may not be looked at. */
export async function residentMiBOf(vmm: ProcessIdentity): Promise<number | undefined> {
  try {
    if (!isRunning(vmm)) return undefined;
    const status = await readFile(`/proc/${vmm.pid}/status`, 'utf8');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) / 1_024;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EACCES') throw error;
    return undefined;
  }
}
