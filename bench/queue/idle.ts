/** What a `blixard up` that has nothing to do costs: memory, and its share of a core. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Report } from '../lib/report.ts';

const bin = fileURLToPath(new URL('../../dist/main/bin.js', import.meta.url));
const settleMs = 10_000;
/** Long enough that what a start leaves to do, such as a collection of its garbage, weighs what it weighs. */
const watchedMs = 60_000;
/** Linux tells CPU time in hundredths of a second. */
const tickMs = 10;

export async function benchIdle(report: Report): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-bench-idle-'));
  const child = spawn(process.execPath, [bin, 'up', '--data-dir', dir, '--port', '0'], { stdio: 'ignore' });
  try {
    await sleep(settleMs);
    const before = await cpuMs(child.pid);
    await sleep(watchedMs);
    const usedMs = (await cpuMs(child.pid)) - before;
    report.add('idle blixard up, memory', 'MiB RSS', await rssMiB(child.pid));
    report.add('idle blixard up, share of a core', '%', (usedMs / watchedMs) * 100);
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
    await rm(dir, { recursive: true, force: true });
  }
}

async function cpuMs(pid = 0): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

async function rssMiB(pid = 0): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
}
