/** I7 of VMs: where no worker runs, none of them and nothing of them is left; where one runs, each has its VM. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning } from '../../hypervisor/process-table.ts';
import { type Clock, sleep } from '../../platform/clock.ts';
import { isDirectoryLocked } from '../../platform/directory-lock.ts';
import { readTextIfThere } from '../../platform/files.ts';
import type { Findings } from '../../store/verify/findings.ts';
import type { VmRecord } from '../../vm/registry.ts';

/** A worker that runs has so long to clear up after a VM that has ended. */
const clearedWithinMs = 2_000;

/** Looks at `<dataDir>/vms` and the processes its records name. */
export async function verifyVmFolders(dir: string, clock: Clock, found: Findings): Promise<void> {
  const names = await namesIn(dir);
  found.looked('I7', 'folders of VMs', 'folders of VMs', names.length);
  if (names.length === 0) return;
  if (await isDirectoryLocked(dir, 'vms')) {
    const dead = await withoutVm(dir, names);
    if (dead.length > 0) await sleep(clock, clearedWithinMs);
    for (const name of await withoutVm(dir, dead))
      found.violated('I7', 'a VM has ended and its worker keeps its folder', name);
    return;
  }
  for (const name of names) {
    const vmm = (await recordIn(join(dir, name)))?.vmm ?? null;
    if (vmm !== null && isRunning(vmm))
      found.violated('I7', 'a VM runs although its worker is gone', `${name}, process ${vmm.pid}`);
    else found.violated('I7', 'a VM has left its folder', name);
  }
}

/** Those whose VMM was spawned and runs no more. */
async function withoutVm(dir: string, names: readonly string[]): Promise<string[]> {
  const dead: string[] = [];
  for (const name of names) {
    const vmm = (await recordIn(join(dir, name)))?.vmm ?? null;
    if (vmm !== null && !isRunning(vmm)) dead.push(name);
  }
  return dead;
}

async function recordIn(folder: string): Promise<VmRecord | undefined> {
  const text = await readTextIfThere(join(folder, 'vm.json'));
  return text === undefined ? undefined : (JSON.parse(text) as VmRecord);
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
