import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlixardClient } from '../../src/client/index.ts';
import { realClock } from '../../src/platform/clock.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { allEnded } from '../lib/jobs.ts';
import { Chance, seeds } from '../lib/rounds.ts';
import { Site } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const ids = makeIds(realClock, realRandom);
const jobsMax = 25;
const command = ['print', 'kept'];

/** What a disk that lied about its fsync may leave of the end of a file. */
const losses = {
  cut: (from: number, to: number) => ({ bytes: Buffer.alloc(0), truncateTo: from, at: to }),
  zeroed: (from: number, to: number) => ({ bytes: Buffer.alloc(to - from), truncateTo: to, at: from }),
  garbled: (from: number, to: number) => ({
    bytes: Buffer.from(realRandom.bytes(to - from)),
    truncateTo: to,
    at: from,
  }),
} as const;

describe('the end of the write-ahead log is lost after kill -9', () => {
  let site: Site;
  let walFile: string;
  beforeEach(async () => {
    site = await Site.make();
    walFile = join(site.dataDir, 'blixard.db-wal');
  });
  afterEach(() => site.remove());

  const submit = async (client: BlixardClient, id: string): Promise<string> =>
    (await client.call('submitJob', { body: { id, command } })).id;

  it.each(seeds())(
    'every job whose commit survived is there and whole, and the rest can be sent again (seed %i)',
    async (seed) => {
      const chance = new Chance('lost-wal', seed);
      // A clean end leaves an empty log, so that what is measured from here on is never written over.
      await (await site.start('server')).end('SIGTERM');
      const server = await site.start('server');
      const client = site.client();
      const sent: { id: string; walBytes: number }[] = [];
      const count = chance.between(5, jobsMax);
      while (sent.length < count) {
        const id = await submit(client, ids());
        sent.push({ id, walBytes: (await stat(walFile)).size });
      }
      await server.end('SIGKILL');

      const { size } = await stat(walFile);
      const from = chance.between(Math.floor(size * 0.3), size);
      const kind = chance.of(['cut', 'zeroed', 'garbled']);
      const { bytes, truncateTo, at } = losses[kind](from, size);
      const wal = await open(walFile, 'r+');
      await wal.write(bytes, 0, bytes.length, at);
      await wal.truncate(truncateTo);
      await wal.close();

      const survived = sent.filter(({ walBytes }) => walBytes <= from).map(({ id }) => id);
      expect(survived.length).toBeLessThan(sent.length);
      const { dataDir, effectsFile } = site;
      expect(await untruths({ dataDir, accepted: survived })).toEqual([]);

      const again = await site.start('server');
      const accepted = await Promise.all(sent.map(({ id }) => submit(client, id)));
      const worker = site.spawnScriptWorker();
      for (const job of await allEnded(client, accepted))
        expect(job).toMatchObject({ state: 'completed', attempt: 1 });
      await client.close();
      for (const process of [worker, again]) expect(await process.end('SIGTERM')).toBe(0);
      expect(await untruths({ dataDir, effectsFile, accepted })).toEqual([]);
    },
  );
});
