import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Queue } from '../contract/queue.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { World } from '../worker/world.suite.ts';
import { CliScene } from './cli-scene.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

async function blixard(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const scene = new CliScene({ transport: () => appTransport(world.app) });
  const code = await scene.run(...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
}

const lastJob = async (state?: 'failed'): Promise<string> => {
  const query = { limit: 1, ...(state === undefined ? {} : { state }) };
  return (await world.client.call('listJobs', { query })).jobs[0]?.id ?? '';
};

describe('blixard queue', () => {
  it('set changes what is named and leaves the rest, and get tells it', async () => {
    await blixard('queue', 'set', 'builds', '--concurrency', '4', '--keep-failed', '90d');
    const { stdout } = await blixard('queue', 'set', 'builds', '--concurrency-per-key', '1', '-o', 'json');
    expect(JSON.parse(stdout) as Queue).toMatchObject({
      concurrencyMax: 4,
      concurrencyMaxPerKey: 1,
      retention: { failedMs: 90 * 86_400_000, completedMs: 7 * 86_400_000 },
    });
    await blixard('queue', 'set', 'builds', '--concurrency', 'none', '--keep-completed', 'forever');
    const got = await blixard('queue', 'get', 'builds');
    expect(got.stdout).toMatch(/concurrency +no limit/);
    expect(got.stdout).toMatch(/keeps +completed for ever, failed 90d, cancelled 7d/);
    const refused = await blixard('queue', 'set', 'builds', '--concurrency', 'many');
    expect(refused).toMatchObject({ code: 125, stderr: expect.stringContaining('--concurrency many') });
  });

  it('set takes turns, weights, rates and what to do over the limit of a key', async () => {
    const flags = '--fair-by key --weight ci=3 --rate 100/1m --rate-per-key 5 --concurrency-per-key 1';
    await blixard('queue', 'set', 'builds', ...flags.split(' '), '--key-policy', 'cancel_oldest');
    const more = ['--weight', 'a=b=2', '--rate-per-key', 'none', '-o', 'json'];
    const { stdout } = await blixard('queue', 'set', 'builds', ...more);
    expect(JSON.parse(stdout) as Queue).toMatchObject({
      fairBy: 'key',
      weights: { ci: 3, 'a=b': 2 },
      rateLimit: { max: 100, perMs: 60_000 },
      rateLimitPerKey: null,
      keyPolicy: 'cancel_oldest',
    });
    const got = await blixard('queue', 'get', 'builds');
    expect(got.stdout).toMatch(/over it +cancel_oldest\nrate +100 in 1m\nrate per key +no limit/);
    expect(got.stdout).toMatch(/fair by +key, weights ci=3, a=b=2/);
    for (const wrong of [
      ['--rate', '5/'],
      ['--weight', 'a'],
      ['--fair-by', 'mood'],
      ['--weight', 'a=101'],
    ])
      expect(await blixard('queue', 'set', 'builds', ...wrong)).toMatchObject({
        code: 125,
        stderr: expect.stringContaining(wrong[0] ?? ''),
      });
  });

  it('pause holds jobs back until resume, and ls shows it', async () => {
    await world.startWorker();
    await blixard('queue', 'pause', 'default');
    await blixard('run', '-d', '--concurrency-key', 'k', '--', 'exit', '0');
    const id = await lastJob();
    const shown = (await blixard('job', 'get', id)).stdout;
    expect(shown).toContain('The queue default is paused');
    expect(shown).toMatch(/\nkey +k\n/);
    expect((await blixard('queue', 'ls')).stdout).toMatch(/default +paused +1 +0/);
    expect((await blixard('queue', 'resume', 'default')).stdout).toBe('default  open\n');
    expect(await world.ended(id)).toMatchObject({ state: 'completed', spec: { concurrencyKey: 'k' } });
    expect((await blixard('queue', 'get', 'default', '--stats')).stdout).toMatch(/held +0\n/);
  });

  it('redrive runs failed jobs again, purge and job rm forget them with their logs', async () => {
    await world.startWorker();
    const failing = ['--', 'print', 'x', ';', 'exit', '3'];
    for (let n = 0; n < 3; n++) await blixard('run', ...failing);
    const id = await lastJob('failed');
    expect((await blixard('queue', 'redrive', 'default', '-n', '1')).stdout).toBe(
      '1 redriven, there are more\n',
    );
    expect((await blixard('queue', 'redrive', 'default', '--reason', 'timeout')).stdout).toBe('0 redriven\n');
    expect((await blixard('queue', 'redrive', 'default')).stdout).toMatch(/^[23] redriven/);
    for (const job of (await world.client.call('listJobs')).jobs) await world.ended(job.id);
    const logs = join(world.dir, 'logs');
    expect(existsSync(join(logs, id))).toBe(true);
    expect((await blixard('job', 'rm', id.slice(0, -1))).stdout).toBe(`${id}  removed\n`);
    expect(existsSync(join(logs, id))).toBe(false);
    expect((await blixard('queue', 'purge', 'default', '--older-than', '1h')).stdout).toBe('0 purged\n');
    expect((await blixard('queue', 'purge', 'default', '--state', 'failed')).stdout).toBe('2 purged\n');
    for (const verb of ['purge', 'redrive'])
      expect(await blixard('queue', verb, 'typo')).toMatchObject({
        code: 125,
        stderr: expect.stringContaining('There is no queue typo'),
      });
    expect((await world.client.call('listJobs')).jobs).toEqual([]);
    expect((await blixard('job', 'get', id)).stderr).toContain('There is no job');
  });

  it('rm removes the settings of queues that are not in use, and says what stays', async () => {
    await blixard('queue', 'set', 'default', '--concurrency', '4');
    await blixard('run', '-d', '--', 'exit', '0');
    expect(await blixard('queue', 'rm', 'default')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('in use: it has jobs that have not ended (1 pending)'),
    });
    await world.startWorker();
    await world.ended(await lastJob());
    const stays = 'stays listed until its ended job is forgotten: blixard queue purge default\n';
    expect(await blixard('queue', 'rm', 'default')).toEqual({
      code: 0,
      stdout: 'default  removed\n',
      stderr: `blixard: queue default ${stays}`,
    });
    expect(await blixard('queue', 'rm', 'default')).toEqual({
      code: 0,
      stdout: '',
      stderr: `blixard: queue default has no settings; it ${stays}`,
    });
    expect((await blixard('queue', 'get', 'default')).stdout).toMatch(/concurrency +no limit/);
    await blixard('queue', 'purge', 'default');
    expect((await blixard('queue', 'ls', '-o', 'json')).stdout).toContain('"queues": []');
  });

  it('pause and resume say when they have made the queue', async () => {
    expect(await blixard('queue', 'pause', 'typo')).toEqual({
      code: 0,
      stdout: 'typo  paused\n',
      stderr: 'blixard: queue typo did not exist; it was made, paused (blixard queue rm typo)\n',
    });
    expect((await blixard('queue', 'pause', 'typo')).stderr).toBe('');
    expect((await blixard('queue', 'resume', 'other')).stderr).toContain('queue other did not exist');
    expect(await blixard('queue', 'rm', 'typo', 'absent', 'other')).toMatchObject({
      code: 125,
      stdout: 'typo  removed\nother  removed\n',
      stderr: expect.stringContaining('There is no queue absent'),
    });
    expect((await blixard('queue', 'ls', '-o', 'json')).stdout).toContain('"queues": []');
  });

  it('durations out of bounds are refused in the units of their flag', async () => {
    for (const [args, problem] of [
      [['queue', 'set', 'q', '--rate', '5/2d'], '--rate: it is 2d; allowed: a duration from 1ms to 1d'],
      [
        ['queue', 'set', 'q', '--keep-failed', '20000d'],
        '--keep-failed: it is 20000d; allowed: a duration from 0ms',
      ],
      [
        ['queue', 'purge', 'q', '--older-than', '4000d'],
        '--older-than: it is 4000d; allowed: a duration from 0ms',
      ],
      [['run', '--timeout', '48h', '--', 'true'], '--timeout: it is 2d; allowed: a duration from 1ms to 1d'],
      [
        ['run', '--retry', 'oom=2,backoff=400d', '--', 'true'],
        '--retry: it is 400d; allowed: a duration from 0ms to 365d',
      ],
    ] as const) {
      const { code, stderr } = await blixard(...args);
      expect(code).toBe(125);
      expect(stderr).toContain(`blixard: ${problem}`);
    }
  });

  it('tells when there is no such queue', async () => {
    expect(await blixard('queue', 'get', 'typo')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('There is no queue typo'),
    });
  });
});
