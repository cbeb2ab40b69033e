/** What Blixard adds to a VM: submit to exit of `true`, minus the same VM and command without the system. */
import { Site } from '../../test/lib/system.ts';
import { median, type Report } from '../lib/report.ts';
import { bareRun, baseImage, hostTscKhz } from './bare-vm.ts';

const rounds = 15;

export async function benchRun(report: Report): Promise<void> {
  const image = await baseImage();
  const tscKhz = await hostTscKhz();
  const site = await Site.make();
  try {
    await site.start('up');
    const client = site.client();
    const whole: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      const job = await client.call('submitJob', { body: { command: ['true'] } });
      for await (const event of client.followLogs(job.id)) {
        if (event.kind === 'end' && event.job.state !== 'completed') throw new Error('true did not complete');
      }
      whole.push(performance.now() - start);
      bare.push((await bareRun(image, tscKhz)).exitMs);
    }
    await client.close();
    const [all, vm] = [median(whole), median(bare)];
    report.add('submit to exit of true, p50 (baseline: bare VM)', 'ms', all, vm);
    report.add('Blixard’s own share of it (baseline: bare VM)', 'ms', all - vm, vm);
    const start = performance.now();
    await site.cli(['run', '--', 'true']);
    report.add('blixard run -- true, the whole command', 'ms', performance.now() - start, vm);
  } finally {
    await site.remove();
  }
}
