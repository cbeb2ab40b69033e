/** 100 MiB of guest output: complete, in order, and the memory of the control node flat. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Site } from '../../test/lib/system.ts';
import type { Report } from '../lib/report.ts';

const mib = 1_024 ** 2;
const samplesEveryMs = 100;
/** 100.1 MiB of numbers: a lost, doubled or displaced byte changes the digest. */
const lines = 12_900_000;
const script = `seq 1 ${lines}`;

function expected(): { bytes: number; digest: string } {
  const hash = createHash('sha256');
  let bytes = 0;
  for (let first = 1; first <= lines; first += 1_000) {
    const count = Math.min(1_000, lines - first + 1);
    const text = Array.from({ length: count }, (_, index) => `${first + index}\n`).join('');
    bytes += text.length;
    hash.update(text);
  }
  return { bytes, digest: hash.digest('hex') };
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}

export async function benchOutput(report: Report): Promise<void> {
  const site = await Site.make();
  try {
    const server = await site.start('server', { BLIXARD_LOG_KEEP: '256' });
    site.spawn(['worker']);
    const client = site.client();
    const warm = await client.call('submitJob', { body: { command: ['true'] } });
    await client.call('getJob', { params: { id: warm.id }, query: { waitMs: 60_000 } });
    const before = await residentMiB(server.pid);
    let peak = before;
    const sampler = setInterval(async () => {
      peak = Math.max(peak, await residentMiB(server.pid));
    }, samplesEveryMs);
    const hash = createHash('sha256');
    const job = await client.call('submitJob', { body: { command: ['sh', '-c', script] } });
    let bytes = 0;
    let first = 0;
    for await (const event of client.followLogs(job.id)) {
      if (event.kind !== 'log') continue;
      if (bytes === 0) first = performance.now();
      bytes += event.data.length;
      hash.update(event.data);
    }
    const seconds = (performance.now() - first) / 1_000;
    clearInterval(sampler);
    await client.close();
    const wanted = expected();
    if (bytes !== wanted.bytes || hash.digest('hex') !== wanted.digest) {
      throw new Error(`the output is not what the guest wrote: ${bytes} bytes`);
    }
    report.add('100 MiB of output through a follower, complete and in order', 'MiB/s', bytes / mib / seconds);
    report.add('control node, peak memory meanwhile (baseline: before)', 'MiB', peak, before);
  } finally {
    await site.remove();
  }
}
