import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlixardClient } from '../../src/client/index.ts';
import { isBlixardError } from '../../src/domain/errors.ts';
import { readEffects } from '../lib/effects.ts';
import { allEnded, submitAll, times } from '../lib/jobs.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const ofEach = 200;
/** Jobs cancelled at once, each by two calls. */
const atOnce = 50;
const env = { BLIXARD_LEASE: '30s', BLIXARD_HEARTBEAT: '1s' };

/** Cancels; false when the job had ended otherwise. Any other refusal is a failure of the test. */
async function cancel(client: BlixardClient, id: string): Promise<boolean> {
  try {
    await client.call('cancelJob', { params: { id }, body: { reason: 'storm' } });
    return true;
  } catch (error) {
    if (isBlixardError(error, 'JOB_INVALID_TRANSITION')) return false;
    throw error;
  }
}

describe('a storm of cancels, each job cancelled twice', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  it.each(seeds())('ends each job once, in whatever state it met it (seed %i)', async (seed) => {
    const chance = new Chance('cancel-storm', seed);
    const server = await site.start('server', env);
    const client = site.client();
    const queue = (name: string, command: string[], more = {}) =>
      submitAll(
        client,
        times(ofEach, () => ({ queue: name, command, ...more })),
      );
    const scheduled = await queue('idle', ['exit'], { delayMs: 3_600_000 });
    const pending = await queue('idle', ['exit']);
    const claimed = await queue('frozen', ['exit']);
    const running = await queue('run', ['ignore-stop', ';', 'sleep', '3600000']);
    const running2 = await queue('run', ['sleep', '3600000']);
    const frozen = site.spawnScriptWorker({
      BLIXARD_DATA_DIR: join(site.dataDir, 'frozen'),
      BLIXARD_TEST_QUEUES: 'frozen',
      BLIXARD_TEST_SLOTS: `${ofEach}`,
      BLIXARD_FAILPOINT: 'attempt-claimed:stop',
    });
    const worker = site.spawnScriptWorker({
      BLIXARD_DATA_DIR: join(site.dataDir, 'worker'),
      BLIXARD_TEST_QUEUES: 'run,race',
      BLIXARD_TEST_SLOTS: `${3 * ofEach}`,
    });
    await until('all are claimed or run', async () => {
      const { jobs } = await client.call('getStats');
      const count = (state: string): number | undefined => jobs.find((one) => one.state === state)?.count;
      return count('claimed') === ofEach && count('running') === 2 * ofEach;
    });
    const racing = await submitAll(
      client,
      times(ofEach, () => ({ queue: 'race', command: ['sleep', `${chance.between(0, 600)}`] })),
    );
    await pause(chance.between(0, 200));

    const all = [scheduled, pending, claimed, running, running2, racing].flat();
    const storm = all.map((id) => ({ id, place: chance.between(0, 1_000_000) }));
    storm.sort((a, b) => a.place - b.place);
    const stopped = new Set<string>();
    const blow = async (): Promise<void> => {
      for (let next = storm.pop(); next !== undefined; next = storm.pop()) {
        const { id } = next;
        const answers = await Promise.all([cancel(client, id), cancel(client, id)]);
        if (answers.includes(true)) stopped.add(id);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, blow));
    frozen.child.kill('SIGCONT');

    const [surely, raced] = [await allEnded(client, all.slice(0, -ofEach)), await allEnded(client, racing)];
    expect(surely.filter((job) => job.state !== 'cancelled' || job.cancelReason !== 'storm')).toEqual([]);
    expect(surely.filter((job) => !stopped.has(job.id))).toEqual([]);
    expect(raced.filter((job) => !['cancelled', 'completed'].includes(job.state))).toEqual([]);
    expect(raced.filter((job) => job.state === 'cancelled' && !stopped.has(job.id))).toEqual([]);
    const begun = new Set((await readEffects(site.effectsFile)).map(({ jobId }) => jobId));
    expect([...scheduled, ...pending, ...claimed].filter((id) => begun.has(id))).toEqual([]);
    // The same again is the same answer.
    for (const id of all.slice(0, 50)) expect(await cancel(client, id)).toBe(true);

    await client.close();
    for (const process of [frozen, worker, server]) expect(await process.end('SIGTERM')).toBe(0);
    const { dataDir, effectsFile } = site;
    expect(await untruths({ dataDir, effectsFile, accepted: all })).toEqual([]);
  });
});
