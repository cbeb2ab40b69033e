import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appTransport } from '../control/http/app-transport.ts';
import { World } from '../worker/world.suite.ts';
import { backoffOf } from './backoff-flags.ts';
import { CliScene, TestTerminal } from './cli-scene.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

describe('--backoff', () => {
  it.each([
    [{}, undefined],
    [{ backoff: '5s' }, { delayMs: 5_000 }],
    [{ backoff: 'fixed:1h' }, { type: 'fixed', delayMs: 3_600_000 }],
    [
      { backoff: 'exponential:1s', backoffMax: '1h', backoffJitter: '0.5' },
      { type: 'exponential', delayMs: 1_000, delayMaxMs: 3_600_000, jitter: 0.5 },
    ],
    [{ backoffJitter: '1' }, { jitter: 1 }],
  ])('reads %j', (flags, policy) => {
    expect(backoffOf(flags)).toEqual(policy);
  });

  it.each([
    [{ backoff: 'soon' }, '--backoff soon: it must be a duration such as 5s or 10m, or fixed:5s'],
    [{ backoff: 'fixed' }, '--backoff fixed: '],
    [{ backoff: 'linear:5s' }, '--backoff linear:5s: '],
    [{ backoffMax: 'long' }, '--backoff-max long: '],
    [{ backoffJitter: '25' }, '--backoff-jitter 25: it must be a number from 0 to 1'],
  ])('refuses %j', (flags, message) => {
    expect(() => backoffOf(flags)).toThrow(message);
  });

  it('goes with the job, and a cap below the delay is refused by its flag', async () => {
    const terminal = new TestTerminal();
    const scene = new CliScene({ transport: () => appTransport(world.app), terminal });
    const flags = '-d --attempts 3 --backoff fixed:10m --retry exit=5,backoff=1h,backoff-jitter=0';
    expect(await scene.run('run', ...flags.split(' '), 'true')).toBe(0);
    const { spec } = await world.client.call('getJob', { params: { id: terminal.stdout.trim() } });
    expect(spec).toMatchObject({
      backoff: { type: 'fixed', delayMs: 600_000, delayMaxMs: 600_000, jitter: 0.25 },
      retry: { exit: { attemptsMax: 5, backoff: { delayMs: 3_600_000, jitter: 0 } } },
    });
    expect(await scene.run('run', '-d', '--backoff', '10s', '--backoff-max', '1s', 'true')).not.toBe(0);
    expect(terminal.stderr).toContain('--backoff-max: it is 1s; allowed: at least --backoff');
    expect(await scene.run('run', '-d', '--retry', 'oom=0', 'true')).not.toBe(0);
    expect(terminal.stderr).toContain('--retry: retry.oom.attemptsMax is 0; allowed: an integer from 1 to ');
  });
});
