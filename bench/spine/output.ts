/** 100 MiB of guest output: complete, in order, and the memory of the control node flat. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Site } from '../../test/lib/system.ts';
import type { Report } from '../lib/report.ts';

const mib = 1_024 ** 2;
const outputMiB = 100;
const samplesEveryMs = 100;
/** 64 bytes a line, each with its number: a lost, doubled or displaced byte changes the digest. */
const script = `seq -f "%063.0f" 1 ${(outputMiB * mib) / 64}`;

function expectedDigest(): string {
  const hash = createHash('sha256');
  for (let line = 1; line <= (outputMiB * mib) / 64; line++)
    hash.update(`${String(line).padStart(63, '0')}\n`);
  return hash.digest('hex');
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
    if (bytes !== outputMiB * mib || hash.digest('hex') !== expectedDigest()) {
      throw new Error(`the output is not what the guest wrote: ${bytes} bytes`);
    }
    report.add(
      `${outputMiB} MiB of output through a follower, complete and in order`,
      'MiB/s',
      outputMiB / seconds,
    );
    report.add('control node, peak memory meanwhile (baseline: before)', 'MiB', peak, before);
  } finally {
    await site.remove();
  }
}
