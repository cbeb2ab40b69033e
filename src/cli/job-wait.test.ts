import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Transport } from '../client/transport.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { World } from '../worker/world.suite.ts';
import { CliScene } from './cli-scene.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

it('job wait goes on with a job while its server restarts', async () => {
  const { id } = await world.submit(['exit', '3']);
  const inner = appTransport(world.app);
  let asked = 0;
  const call: NonNullable<Transport['call']> = async (given) => {
    // The first call is answered at the stop of the server, as those are that wait there.
    if (given.route === 'getJob' && ++asked === 1) return await answered({ ...given, query: {} });
    if (given.route === 'getJob' && asked <= 1 + limits.callTries + 1)
      throw new BlixardError('SERVER_UNREACHABLE', { url: 'test', problem: 'reset' });
    return await answered(given);
  };
  const answered: NonNullable<Transport['call']> = (given) => inner.call?.(given) ?? expect.fail('no calls');
  const scene = new CliScene({ transport: () => ({ ...inner, call }) });
  const waiting = scene.run('job', 'wait', id);
  await world.startWorker();
  expect(await waiting, scene.terminal.stderr).toBe(3);
});

it('job wait goes on with a job whose server is killed in the first of its waits', async () => {
  const { id } = await world.submit(['exit', '3']);
  const inner = appTransport(world.app);
  let lost = 0;
  const call: NonNullable<Transport['call']> = async (given) => {
    if (given.route === 'getJob' && given.query?.['waitMs'] !== undefined && ++lost <= limits.callTries + 1)
      throw new BlixardError('SERVER_UNREACHABLE', { url: 'test', problem: 'reset' });
    return await (inner.call?.(given) ?? expect.fail('no calls'));
  };
  const scene = new CliScene({ transport: () => ({ ...inner, call }) });
  const waiting = scene.run('job', 'wait', id);
  await world.startWorker();
  expect(await waiting, scene.terminal.stderr).toBe(3);
  expect(lost).toBeGreaterThan(limits.callTries);
});
