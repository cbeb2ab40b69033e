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

async function blixard(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { terminal, run } = prepared();
  const code = await run(...args);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

function prepared() {
  const scene = new CliScene({ transport: () => appTransport(world.app) });
  return { terminal: scene.terminal, run: scene.run.bind(scene) };
}

const idOf = async (...command: string[]): Promise<string> => (await world.submit(command)).id;

describe('a command about several jobs', () => {
  it('cancels all that can be, tells which cannot, and fails for those', async () => {
    const [first, done, last] = [await idOf('true'), await idOf('true'), await idOf('true')];
    await world.client.call('cancelJob', { params: { id: done }, body: {} });
    await world.client.call('removeJob', { params: { id: done } });
    const none = '0197f2c4-0000-7000-8000-000000000000';
    const { code, stdout, stderr } = await blixard('job', 'cancel', first, done, none, last.toUpperCase());
    expect(stdout).toBe(`${first}  cancelled\n${last}  cancelled\n`);
    expect(stderr).toMatch(
      new RegExp(`^blixard: There is no job ${done}\\.\nblixard: There is no job ${none}\\.\nhint`),
    );
    expect(code).toBe(125);
    expect(await blixard('job', 'rm', first, done, last)).toMatchObject({
      code: 125,
      stdout: `${first}  removed\n${last}  removed\n`,
    });
  });

  it('does nothing at all when one of them can be no id', async () => {
    const id = await idOf('true');
    for (const verb of ['cancel', 'retry', 'rm'])
      expect((await blixard('job', verb, id, 'x')).stderr).toContain('x: it must be the id of a job');
    expect((await world.get(id)).state).toBe('pending');
  });

  it('retries once with a key, and only what is as it was seen', async () => {
    const id = await idOf('true');
    await blixard('job', 'cancel', id);
    const once = ['job', 'retry', '--attempt', '0', '--idempotency-key', 'once', id];
    for (const time of ['first', 'second'])
      expect(await blixard(...once), time).toEqual({ code: 0, stdout: `${id}  pending\n`, stderr: '' });
    const { code, stderr } = await blixard('job', 'retry', '--attempt', '1', id);
    expect(stderr).toContain(`The newest attempt of job ${id} is 0, not 1.\nhint: Look at the job again`);
    expect(code).toBe(125);
  });

  it('finds a job that was cancelled before as it should be, not one that has completed', async () => {
    await world.startWorker();
    const [cancelled, completed] = [await idOf('sleep', '60000'), await idOf('exit', '0')];
    await world.ended(completed);
    await blixard('job', 'cancel', cancelled);
    await world.ended(cancelled);
    expect(await blixard('job', 'cancel', cancelled)).toEqual({
      code: 0,
      stdout: `${cancelled}  cancelled\n`,
      stderr: '',
    });
    expect((await blixard('job', 'cancel', completed)).stderr).toContain('is completed and cannot become');
  });
});

describe('a command', () => {
  it('is shown as it would be typed, so that its arguments can be told apart', async () => {
    const id = await idOf('sh', '-c', "echo 'a b'; true", '', '--flag=x/y');
    const shown = `sh -c 'echo '\\''a b'\\''; true' '' --flag=x/y`;
    expect((await blixard('job', 'ls')).stdout).toContain(`${shown}\n`);
    expect((await blixard('job', 'get', id)).stdout).toContain(`${shown}\n`);
  });
});

describe('a value that is not allowed', () => {
  it.each([
    [['schedule', 'set', 'n', '--cron', '0 3', '--', 'x'], '--cron: cron is "0 3"; allowed: minute hour day'],
    [
      ['schedule', 'set', 'n', '--cron', '@daily', '-m', '1', '--', 'x'],
      '--memory: job.memoryMiB is 1; allowed',
    ],
    [['job', 'ls', '--label', 'x'], '--label: label is "x"; allowed: name=value'],
    [['queue', 'set', 'q', '--concurrency', '0'], '--concurrency: concurrencyMax is 0; allowed'],
    [['run', '--group', 'a b', 'x'], '--group: group is "a b"; allowed: name of a group'],
    [['vm', 'get', 'nope'], 'nope: it must be the id of a microVM'],
  ])('%j names its flag', async (args, problem) => {
    const { code, stderr } = await blixard(...args);
    expect(stderr).toContain(problem);
    expect(stderr).toContain(`\nhint: blixard ${args[0]}`);
    expect(code).toBe(125);
  });
});
