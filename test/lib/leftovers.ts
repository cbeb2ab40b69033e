/** What is left of a data directory's VMs on this host: processes and folders. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Cgroups, findCgroups } from '../../src/hypervisor/qemu/cgroups.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';

/** VMMs that run in a folder under this directory, as `pid command`; each is started in the folder of its VM. */
export async function vmmsUnder(dataDir: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  for (const pid of pids) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (!cwd.startsWith(join(dataDir, 'vms/'))) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    found.push(`${pid} ${command.split('\0')[0]}`);
  }
  return found;
}

/** Folders of VMs under this directory. */
export async function vmFoldersUnder(dataDir: string): Promise<string[]> {
  const names = await readdir(join(dataDir, 'vms')).catch(() => []);
  return names.filter((name) => /^[0-9a-f-]{36}$/.test(name));
}

/** The cgroups that these VMs still have on this host. */
export async function cgroupsOf(vmIds: readonly string[]): Promise<string[]> {
  const found = await findCgroups();
  if ('missing' in found) return [];
  const names = await Promise.all(found.places.map(({ dir }) => readdir(dir)));
  return names.flat().filter((name) => vmIds.some((id) => name.endsWith(id)));
}

/** Removes the cgroups of VMs that were killed with their worker, when no worker will be started there again. */
export async function removeCgroupsOf(vmIds: readonly string[]): Promise<void> {
  const places = await findCgroups();
  if ('missing' in places) return;
  const cgroups = new Cgroups({ places, clock: realClock, log: silentLog });
  for (const id of vmIds) await cgroups.remove(id);
}
