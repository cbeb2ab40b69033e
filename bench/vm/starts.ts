/** Submit to exit of `true`, by each way a VM starts, beside bare QEMU doing the same. */
import { setTimeout } from 'node:timers/promises';
import type { BlixardClient } from '../../src/client/index.ts';
import type { VmFacts } from '../../src/contract/job.ts';
import { Site } from '../../test/lib/system.ts';
import { median, quantile, type Report } from '../lib/report.ts';
import { bareRun, baseImage, hostTscKhz } from '../spine/bare-vm.ts';
import { BareTemplate } from './bare-template.ts';

/** The VM before is gone, and the pool full again, before the next measurement begins. */
const settleMs = 1_000;
const triesMax = 30;

type Way = VmFacts['start'];

/** How a site is made to start every VM one way. */
const environments: Readonly<Record<Way, Readonly<Record<string, string>>>> = {
  service: { BLIXARD_TEMPLATES: 'off' },
  pool: { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_MIN: '2', BLIXARD_POOL_TARGET: '2' },
  restore: { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_TARGET: '0' },
  boot: { BLIXARD_TEMPLATES: 'off' },
};

/** A boot varies by more than all that is ours in it takes: its median needs more of them. */
const boots = 2;

interface Run {
  readonly wallMs: number;
  readonly way: Way | undefined;
}

async function runTrue(client: BlixardClient, wanted: Way): Promise<Run> {
  const start = performance.now();
  const isolation = wanted === 'service' ? 'shared' : 'standard';
  const job = await client.call('submitJob', { body: { command: ['true'], isolation } });
  for await (const event of client.followLogs(job.id)) {
    if (event.kind === 'end' && event.job.state !== 'completed') throw new Error('true did not complete');
  }
  const wallMs = performance.now() - start;
  const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
  return { wallMs, way: attempts[0]?.vm?.start };
}

/** Jobs until one is started this way: until then templates are built and pools filled. */
async function untilStarts(client: BlixardClient, way: Way): Promise<void> {
  for (let tried = 0; tried < triesMax; tried++) {
    if ((await runTrue(client, way)).way === way) return;
    await setTimeout(settleMs);
  }
  throw new Error(`no VM was started by ${way}`);
}

/** Ours and bare QEMU's in turns, so that what else the host does hits both alike. */
async function compare(way: Way, rounds: number, bare: () => Promise<number>) {
  const site = await Site.make();
  try {
    await site.start('up', environments[way]);
    const client = site.client();
    await untilStarts(client, way);
    const [ours, bares]: [number[], number[]] = [[], []];
    for (let tried = 0; ours.length < rounds && tried < rounds + triesMax; tried++) {
      await setTimeout(settleMs);
      const run = await runTrue(client, way);
      if (run.way !== way) continue;
      ours.push(run.wallMs);
      await setTimeout(settleMs);
      bares.push(await bare());
    }
    await client.close();
    return { ours, bares };
  } finally {
    await site.remove();
  }
}

export async function benchStarts(report: Report, rounds: number): Promise<void> {
  const image = await baseImage();
  const tscKhz = await hostTscKhz();
  const template = new BareTemplate(image, tscKhz);
  await template.make();
  const bares: Readonly<Record<Way, () => Promise<number>>> = {
    // The next thing to it that QEMU can do.
    service: () => template.wake(),
    pool: () => template.wake(),
    restore: () => template.restore(),
    boot: async () => (await bareRun(image, tscKhz)).exitMs,
  };
  try {
    for (const way of ['service', 'pool', 'restore', 'boot'] as const) {
      const { ours, bares: baseline } = await compare(
        way,
        way === 'boot' ? rounds * boots : rounds,
        bares[way],
      );
      const name = `submit to exit of true, ${way}`;
      report.add(`${name}, p50 (baseline: bare QEMU)`, 'ms', median(ours), median(baseline));
      report.add(`${name}, p95 (baseline: bare QEMU)`, 'ms', quantile(ours, 0.95), quantile(baseline, 0.95));
    }
  } finally {
    await template.remove();
  }
}
