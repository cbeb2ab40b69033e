import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { priorityStepMs } from '../../src/domain/limits.ts';
import { BareWorker } from '../lib/bare-worker.ts';
import { FakedTime } from '../lib/faked-time.ts';
import { submitAll, times } from '../lib/jobs.ts';
import { Chance, seeds } from '../lib/rounds.ts';
import { Site } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const stepMs = 10 * priorityStepMs;

describe('a stream of important jobs, more than can be run', () => {
  let site: Site;
  let time: FakedTime;
  beforeEach(async () => {
    site = await Site.make();
    time = new FakedTime();
  });
  afterEach(async () => {
    await site.remove();
    time.remove();
  });

  it.each(seeds())('leaves an unimportant one waiting, and not for ever: it ages (seed %i)', async (seed) => {
    const chance = new Chance('starvation', seed);
    const server = await site.start('server', { BLIXARD_LEASE: '10m', ...time.env });
    const client = site.client();
    const worker = await BareWorker.register(client, { queues: ['default'], slots: 10 });
    const [low, high] = [chance.between(-100, 0), chance.between(1, 101)];
    const [patient = ''] = await submitAll(client, [{ command: ['true'], priority: low }]);
    const accepted = [patient];

    // Only what comes before it has aged past the difference may overtake it.
    const agedAfterSteps = Math.ceil(((high - low) * priorityStepMs) / stepMs) + 1;
    let [overtaken, mayOvertake, isClaimed] = [0, 0, false];
    for (let step = 0; !isClaimed; step++) {
      const important = await submitAll(
        client,
        times(3, () => ({ command: ['true'], priority: high })),
      );
      accepted.push(...important);
      if (step <= agedAfterSteps) mayOvertake += important.length;
      const claimed = await worker.work([], 2, 0);
      isClaimed = claimed.some(({ jobId }) => jobId === patient);
      if (!isClaimed) overtaken += claimed.length;
      expect(overtaken).toBeLessThanOrEqual(mayOvertake);
      await worker.start(claimed);
      await worker.work(claimed, 0, 0);
      time.set((step + 1) * stepMs);
    }
    expect(overtaken).toBeGreaterThan(0);
    await worker.leave();
    await client.close();
    expect(await server.end('SIGTERM')).toBe(0);
    expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
  });
});
