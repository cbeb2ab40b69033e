/** What Blixard adds to a VM: submit to exit of `true`, minus what the VM itself took for boot and command. */
import { setTimeout } from 'node:timers/promises';
import type { BlixardClient } from '../../src/client/index.ts';
import { Site } from '../../test/lib/system.ts';
import { median, quantile, type Report } from '../lib/report.ts';
import { bareRun, baseImage, hostTscKhz } from './bare-vm.ts';

const rounds = 15;
/** The VM before is cleared away before the next measurement begins. */
const settleMs = 300;

interface Times {
  readonly wallMs: number;
  /** Spawn to hello, and the command, as the job’s own facts tell. */
  readonly vmMs: number;
}

async function runTrue(client: BlixardClient): Promise<Times> {
  const start = performance.now();
  const job = await client.call('submitJob', { body: { command: ['true'] } });
  for await (const event of client.followLogs(job.id)) {
    if (event.kind === 'end' && event.job.state !== 'completed') throw new Error('true did not complete');
  }
  const wallMs = performance.now() - start;
  const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
  const [attempt] = attempts;
  if (attempt?.vm == null || attempt.usage === null) throw new Error('the attempt tells nothing of its VM');
  return { wallMs, vmMs: attempt.vm.bootMs + attempt.usage.wallMs };
}

export async function benchRun(report: Report): Promise<void> {
  const image = await baseImage();
  const tscKhz = await hostTscKhz();
  const site = await Site.make();
  try {
    await site.start('up');
    const client = site.client();
    await runTrue(client);
    const jobs: Times[] = [];
    const bare: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await setTimeout(settleMs);
      jobs.push(await runTrue(client));
      await setTimeout(settleMs);
      bare.push((await bareRun(image, tscKhz)).exitMs);
    }
    await client.close();
    const own = jobs.map(({ wallMs, vmMs }) => wallMs - vmMs);
    const vm = median(bare);
    report.add(
      'submit to exit of true, p50 (baseline: bare VM)',
      'ms',
      median(jobs.map((job) => job.wallMs)),
      vm,
    );
    report.add('Blixard’s own share of it, p50 (baseline: bare VM)', 'ms', median(own), vm);
    report.add('Blixard’s own share of it, p95 (baseline: bare VM)', 'ms', quantile(own, 0.95), vm);
    const start = performance.now();
    await site.cli(['run', '--', 'true']);
    report.add(
      'blixard run -- true, the whole command (baseline: bare VM)',
      'ms',
      performance.now() - start,
      vm,
    );
  } finally {
    await site.remove();
  }
}
