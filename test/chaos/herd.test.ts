import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClaimedJob } from '../../src/contract/worker.ts';
import { BareWorker } from '../lib/bare-worker.ts';
import { submitAll, times } from '../lib/jobs.ts';
import { Chance, seeds } from '../lib/rounds.ts';
import { Site } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const jobsDue = 10_000;
const workersThere = 10;
const claimedAtOnce = 200;
/** From the first submit to the moment all are due; submitting takes less. */
const aheadMs = 6_000;

describe('ten thousand delayed jobs that are due in the same second', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  it.each(seeds())('are all picked up once, and the server goes on answering (seed %i)', async (seed) => {
    const chance = new Chance('herd', seed);
    const server = await site.start('server', { BLIXARD_LEASE: '60s', BLIXARD_LOG_LEVEL: 'warn' });
    const client = site.client();
    const dueAtMs = Date.now() + aheadMs;
    const accepted = await submitAll(
      client,
      times(jobsDue, () => ({ command: ['true'], runAtMs: dueAtMs + chance.between(0, 1_000) })),
    );
    const workers = await Promise.all(
      times(workersThere, () => ({ command: [] })).map(() =>
        BareWorker.register(client, { queues: ['default'], slots: jobsDue / workersThere }),
      ),
    );
    const lateMs: number[] = [];
    const answerMs: number[] = [];
    const held = await Promise.all(
      workers.map(async (worker) => {
        const mine: ClaimedJob[] = [];
        while (mine.length < jobsDue / workersThere) {
          const claimed = await worker.work([], claimedAtOnce, 10_000);
          const nowMs = Date.now();
          for (const { spec } of claimed) lateMs.push(Math.max(0, nowMs - (spec.runAtMs ?? nowMs)));
          mine.push(...claimed);
          answerMs.push(await answerTime(site.url));
        }
        return mine;
      }),
    );
    expect(new Set(held.flat().map(({ jobId }) => jobId)).size).toBe(jobsDue);
    expect(held.flat()).toHaveLength(jobsDue);
    const [first = []] = held;
    const ended = first.slice(0, claimedAtOnce);
    await workers[0]?.start(ended);
    await workers[0]?.work(ended, 0, 0);
    // What the others hold goes back at once, a thousand jobs each.
    for (const worker of workers) await worker.leave();
    expect((await client.call('getStats')).jobs).toEqual([
      { queue: 'default', state: 'completed', count: ended.length },
      { queue: 'default', state: 'pending', count: jobsDue - ended.length },
    ]);
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    const peakMiB = Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1_024);
    process.stderr.write(
      `herd of ${jobsDue}: picked up after p50 ${share(lateMs, 0.5)} ms, p99 ${share(lateMs, 0.99)} ms; ` +
        `readyz worst ${share(answerMs, 1)} ms; the server's memory peaked at ${peakMiB} MiB\n`,
    );
    // All the specs, twice, and the program itself are far below.
    expect(peakMiB).toBeLessThan(500);
    await client.close();
    expect(await server.end('SIGTERM')).toBe(0);
    expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
  });
});

async function answerTime(url: string): Promise<number> {
  const startMs = performance.now();
  const { ok } = await fetch(`${url}/readyz`);
  if (!ok) throw new Error('the server is not ready');
  return performance.now() - startMs;
}

function share(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
}
