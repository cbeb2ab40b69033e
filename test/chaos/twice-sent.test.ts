import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardClient, httpTransport } from '../../src/client/index.ts';
import { DoublingProxy } from '../lib/doubling-proxy.ts';
import { readEffects } from '../lib/effects.ts';
import { allEnded, submitAll, times } from '../lib/jobs.ts';
import { Chance, seeds } from '../lib/rounds.ts';
import { Site, until } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';

const env = { BLIXARD_LEASE: '10s', BLIXARD_HEARTBEAT: '500ms' };

describe('a network that delivers every request twice', () => {
  let site: Site;
  let proxy: DoublingProxy;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(async () => {
    await proxy.close();
    await site.remove();
  });

  it.each(seeds())('gets the same answer twice and leaves what one would (seed %i)', async (seed) => {
    const chance = new Chance('twice-sent', seed);
    const server = await site.start('server', env);
    proxy = await DoublingProxy.start(site.url, seed % 2 === 0 ? 'after' : 'together');
    const client = new BlixardClient({ transport: httpTransport({ url: proxy.url }) });
    const worker = site.spawnScriptWorker({
      BLIXARD_SERVER: proxy.url,
      BLIXARD_DATA_DIR: join(site.dataDir, 'worker'),
    });
    const command = (): string[] => ['bytes', `${chance.between(1, 90_000)}`, ';', 'sleep', '20'];
    const batch = await submitAll(
      client,
      times(10, () => ({ command: command() })),
    );
    const single = await Promise.all(
      times(10, () => ({ command: command() })).map(async (body, n) => {
        const headers = { 'idempotency-key': `key-${n}` };
        return (await client.call('submitJob', { body, headers })).id;
      }),
    );
    const [stopped = ''] = await submitAll(client, [{ command: ['sleep', '3600000'] }]);
    await until('it runs', async () =>
      (await readEffects(site.effectsFile)).some((e) => e.jobId === stopped),
    );
    await client.call('cancelJob', { params: { id: stopped }, body: {} });

    const accepted = [...batch, ...single, stopped];
    const jobs = await allEnded(client, accepted);
    expect(jobs.slice(0, 20).filter(({ state }) => state !== 'completed')).toEqual([]);
    expect(jobs[20]).toMatchObject({ state: 'cancelled' });
    for (const job of jobs.slice(0, 20)) {
      expect(job).toMatchObject({ attempt: 1, attemptsUsed: 1, infraFailures: 0 });
      const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
      expect(attempts).toMatchObject([{ logBytes: Number(job.spec.command[1]), logMissingBytes: 0 }]);
    }
    expect(await worker.end('SIGTERM')).toBe(0);
    await client.close();
    await proxy.close();
    expect(differences(proxy)).toEqual([]);
    expect(await server.end('SIGTERM')).toBe(0);
    const { dataDir, effectsFile } = site;
    expect(await untruths({ dataDir, effectsFile, accepted })).toEqual([]);
  });
});

/** What both answers to a request must have in common; what tells the time, or of steps taken since, may differ. */
const facts: readonly (readonly [RegExp, (answer: Fields) => unknown])[] = [
  [/^POST \/v1\/jobs$/, ({ id, spec, createdAtMs }) => ({ id, spec, createdAtMs })],
  [/^POST \/v1\/jobs\/batch$/, ({ jobs }) => (jobs as Fields[]).map(({ id, spec }) => ({ id, spec }))],
  [/^POST \/v1\/workers$/, ({ generation }) => generation],
  [/\/start$/, ({ startedAtMs }) => startedAtMs],
  [/\/logs$/, ({ endOffset }) => endOffset],
  [/\/work$/, ({ claimed, fenced }) => ({ claimed, fenced })],
];
type Fields = Record<string, unknown>;

function differences(proxy: DoublingProxy): string[] {
  return proxy.doubled.flatMap(({ what, answers: [one, other] }) => {
    const fact = facts.find(([pattern]) => pattern.test(what))?.[1];
    if (fact === undefined) return [];
    const [first, second] = [one, other].map(({ status, body }) => {
      const answer = JSON.parse(body.toString()) as Fields;
      // A copy that comes when the attempt has ended is a stale write.
      return status < 400 ? JSON.stringify(fact(answer)) : `${status} ${answer['code']}`;
    });
    return first === second || second === '409 FENCED' ? [] : [`${what}: ${first} / ${second}`];
  });
}
