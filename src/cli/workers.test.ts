import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

const scene = (): CliScene => new CliScene({ transport: () => appTransport(world.app) });

describe('the commands about workers', () => {
  it('list a worker and drain it by its name', async () => {
    const { worker } = await world.startWorker();
    const listed = scene();
    expect(await listed.run('worker', 'ls')).toBe(0);
    expect(listed.terminal.stdout).toContain(`${worker.id}  test  online   0/4  default`);
    const drained = scene();
    expect(await drained.run('worker', 'drain', 'test')).toBe(0);
    expect(drained.terminal.stdout).toBe(`${worker.id}  draining\n`);
    const absent = scene();
    expect(await absent.run('worker', 'drain', 'nobody')).toBe(125);
    expect(absent.terminal.stderr).toContain('There is no worker nobody.');
  });
});
