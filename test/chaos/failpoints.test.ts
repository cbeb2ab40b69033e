import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlixardClient } from '../../src/client/index.ts';
import type { SubmitJob } from '../../src/contract/job.ts';
import { realClock } from '../../src/platform/clock.ts';
import { type Failpoint, failpointEnv } from '../../src/platform/failpoint.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { allEnded, submitAll, times } from '../lib/jobs.ts';
import { Chance, pause, seeds } from '../lib/rounds.ts';
import { type Process, Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const ids = makeIds(realClock, realRandom);
const env = {
  BLIXARD_LEASE: '2s',
  BLIXARD_HEARTBEAT: '500ms',
  BLIXARD_SLOTS: '2',
  BLIXARD_BOOT_TIMEOUT: '45s',
};

const armed = (place: Failpoint, nth: number): typeof env & Record<typeof failpointEnv, string> => ({
  ...env,
  [failpointEnv]: `${place}:kill:${nth}`,
});

async function untilDead(process: Process, place: Failpoint): Promise<void> {
  await until(`it died at ${place}`, async () => process.hasEnded);
  expect(process.child.signalCode).toBe('SIGKILL');
}

let site: Site;
afterEach(() => site.remove());

describe('`up` dies around the start of a VM', () => {
  beforeEach(async () => {
    site = await Site.makeMeasured();
  });

  it.each(seeds())('the next start ends what it left, and the jobs run (seed %i)', async (seed) => {
    const place = seed % 2 === 0 ? 'vm-recorded' : 'vm-spawned';
    const first = site.spawn(['up'], armed(place, new Chance(place, seed).between(1, 3)));
    const client = site.client();
    await until('it answers', () => client.call('listWorkers').catch(() => undefined));
    const accepted = await submitAll(
      client,
      times(2, () => ({ command: ['echo', 'ran'] })),
    );
    await untilDead(first, place);
    const second = await site.start('up', env);
    for (const job of await allEnded(client, accepted)) {
      expect(job).toMatchObject({ state: 'completed', exitCode: 0, attemptsUsed: 1 });
    }
    await client.close();
    expect(await second.end('SIGTERM')).toBe(0);
    expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
  });
});

/** Submits one job after the other until told to stop; a server that dies in between gets the same job again. */
class Load {
  readonly accepted: string[] = [];
  readonly #client: BlixardClient;
  readonly #ended: Promise<void>;
  #goesOn = true;

  constructor(client: BlixardClient) {
    this.#client = client;
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (this.#goesOn) {
      this.accepted.push(await this.#submit({ id: ids(), queue: 'mine', command: ['print', 'some output'] }));
      await pause(30);
    }
  }

  async #submit(body: SubmitJob): Promise<string> {
    for (;;) {
      try {
        return (await this.#client.call('submitJob', { body, timeoutMs: 5_000 })).id;
      } catch {
        await pause(100);
      }
    }
  }
}

describe('a control node dies at two of its failpoints, one after the other, under load', () => {
  beforeEach(async () => {
    site = await Site.make();
  });

  it.each(seeds())('and each time the next start does what was begun, once (seed %i)', async (seed) => {
    const chance = new Chance('failpoints-server', seed);
    await (await site.start('server', env)).end('SIGTERM');
    const client = site.client();
    const worker = site.spawnScriptWorker({ BLIXARD_TEST_QUEUES: 'mine,ticking,forgotten' });
    const load = new Load(client);
    const tick = async (): Promise<void> => {
      const body = { cron: '* * * * * *', job: { command: ['exit'], queue: 'ticking' } };
      await client.call('setSchedule', { params: { name: 'ticking' }, body });
    };
    const forget = async (): Promise<void> => {
      await allEnded(client, await submitAll(client, [{ queue: 'forgotten', command: ['print', 'gone'] }]));
      await client.call('purgeQueue', { params: { name: 'forgotten' }, body: {} });
    };
    const nothing = async (): Promise<void> => undefined;
    const places = [
      ['store-committed', chance.between(2, 60), nothing],
      ['log-appended', chance.between(1, 8), nothing],
      ['schedule-moved', 1, tick],
      ['jobs-forgotten', 1, forget],
    ] as const;
    // Each of them in two runs.
    for (const [place, nth, provoke] of places.filter((_, index) => index % 2 === seed % 2)) {
      const server = site.spawn(['server'], armed(place, nth));
      await until(`it died at ${place}`, async () => {
        // Refused while it starts, cut off when it dies.
        await provoke().catch(() => pause(100));
        return server.hasEnded;
      });
      await untilDead(server, place);
    }
    const server = await site.start('server', env);
    await load.stop();
    const { accepted } = load;
    for (const job of await allEnded(client, accepted)) expect(job).toMatchObject({ state: 'completed' });
    await client.close();
    for (const process of [worker, server]) expect(await process.end('SIGTERM')).toBe(0);
    const { dataDir, effectsFile } = site;
    expect(await untruths({ dataDir, effectsFile, accepted })).toEqual([]);
  });
});
