/** Submit to exit of one line of Python and of Node, by zygotes, beside the same by starts of their own. */
import { setTimeout } from 'node:timers/promises';
import type { BlixardClient } from '../../src/client/index.ts';
import { builtImage } from '../../test/e2e/real-vms.ts';
import { Site } from '../../test/lib/system.ts';
import { median, quantile, type Report } from '../lib/report.ts';

/** The pool is full again, with VMs that have warmed up, before the next measurement begins. */
const settleMs = 2_500;
const triesMax = 30;

const lines = {
  python: ['python3', '-c', 'print(1)'],
  node: ['node', '-e', 'console.log(1)'],
} as const;

const environments = {
  pool: { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_MIN: '0', BLIXARD_POOL_TARGET: '2' },
  restore: { BLIXARD_TEMPLATES: 'on', BLIXARD_POOL_MIN: '0', BLIXARD_POOL_TARGET: '0' },
} as const;

/** Milliseconds; undefined: it was started another way. */
async function runLine(
  client: BlixardClient,
  image: keyof typeof lines,
  zygote: boolean,
  way: keyof typeof environments,
): Promise<number | undefined> {
  const start = performance.now();
  const job = await client.call('submitJob', { body: { command: [...lines[image]], image, zygote } });
  for await (const event of client.followLogs(job.id)) {
    if (event.kind === 'end' && event.job.state !== 'completed') throw new Error(`${image} did not complete`);
  }
  const wallMs = performance.now() - start;
  const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
  const vm = attempts[0]?.vm;
  return vm?.start === way && vm.zygote === zygote ? wallMs : undefined;
}

/** In turns, so that what else the host does hits both alike. */
async function compare(
  client: BlixardClient,
  image: keyof typeof lines,
  way: keyof typeof environments,
  rounds: number,
) {
  const walls: Record<'taken' | 'plain', number[]> = { taken: [], plain: [] };
  for (let tried = 0; walls.plain.length < rounds; tried++) {
    if (tried > rounds + triesMax) throw new Error(`no VM of ${image} was started by ${way}`);
    for (const kind of ['taken', 'plain'] as const) {
      await setTimeout(settleMs);
      const wallMs = await runLine(client, image, kind === 'taken', way);
      if (wallMs !== undefined) walls[kind].push(wallMs);
    }
  }
  return walls;
}

export async function benchZygotes(report: Report, rounds: number): Promise<void> {
  for (const image of ['python', 'node'] as const) {
    await builtImage({ image });
    for (const way of ['pool', 'restore'] as const) {
      const site = await Site.make();
      try {
        await site.start('up', environments[way]);
        const client = site.client();
        const { taken, plain } = await compare(client, image, way, rounds);
        await client.close();
        const name = `submit to exit of ${lines[image].join(' ')}, ${way}`;
        report.add(`${name}, p50 (baseline: without zygote)`, 'ms', median(taken), median(plain));
        const tail = [quantile(taken, 0.95), quantile(plain, 0.95)] as const;
        report.add(`${name}, p95 (baseline: without zygote)`, 'ms', ...tail);
      } finally {
        await site.remove();
      }
    }
  }
}
