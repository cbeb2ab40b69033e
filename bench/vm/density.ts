/** What VMs cost that wait for a job: memory of their own, CPU, and whether the host swaps. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { median, type Report } from '../lib/report.ts';
import { untilPooled, withHost } from './host.ts';

const watchMs = 5_000;
const tickMs = 10;

async function pidsOf(dataDir: string): Promise<number[]> {
  const ids = await readdir(join(dataDir, 'vms'));
  const records = await Promise.all(ids.map((id) => readFile(join(dataDir, 'vms', id, 'vm.json'), 'utf8')));
  return records.flatMap((text) => (JSON.parse(text) as { vmm: { pid: number } | null }).vmm?.pid ?? []);
}

async function privateMiB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = [...rollup.matchAll(/^Private_(?:Dirty|Clean):\s+(\d+)/gm)].map(([, value]) => Number(value));
  return kib.reduce((sum, value) => sum + value, 0) / 1_024;
}

async function cpuMs(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8')));
  const ticks = stats.map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' '));
  return ticks.reduce((sum, fields) => sum + Number(fields[11]) + Number(fields[12]), 0) * tickMs;
}

async function swappedPages(): Promise<number> {
  const vmstat = await readFile('/proc/vmstat', 'utf8');
  return Number(/^pswpout (\d+)/m.exec(vmstat)?.[1]);
}

export async function benchDensity(report: Report, count: number): Promise<void> {
  const swappedBefore = await swappedPages();
  await withHost(count, async (vms, dataDir) => {
    await untilPooled(vms, count);
    const pids = await pidsOf(dataDir);
    const own = await Promise.all(pids.map(privateMiB));
    report.add(`memory of its own of a warmed, paused 128 MiB VM, p50 of ${pids.length}`, 'MiB', median(own));
    const before = await cpuMs(pids);
    await setTimeout(watchMs);
    const share = ((await cpuMs(pids)) - before) / watchMs;
    report.add(`CPU of ${pids.length} paused VMs together`, '%', share * 100);
  });
  report.add('pages swapped out meanwhile', 'pages', (await swappedPages()) - swappedBefore);
}
