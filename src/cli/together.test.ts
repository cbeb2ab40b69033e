import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appTransport } from '../control/http/app-transport.ts';
import { World, waitUntil } from '../worker/world.suite.ts';
import { CliScene } from './cli-scene.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const sceneWith = (stdin: string | Buffer = ''): CliScene =>
  new CliScene({ transport: () => appTransport(world.app), stdin });

async function blixard(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const scene = sceneWith();
  const code = await scene.run(...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
}

/** Submits a job and gives its id. */
async function detached(...args: string[]): Promise<string> {
  return (await blixard('run', '-d', ...args)).stdout.trim();
}

describe('blixard run --after', () => {
  it('runs the job when those before it have completed; starts of ids are enough', async () => {
    const first = await detached('--', 'exit', '0');
    const second = await detached('--after', first.slice(0, -1), '--', 'print', 'second');
    const waits = await blixard('job', 'get', second);
    expect(waits.stdout).toMatch(/state +blocked\n/);
    expect(waits.stdout).toContain(`waits       It runs after ${first} (pending).\n`);
    expect(waits.stdout).toContain(`runs after  ${first}\n`);
    expect((await blixard('job', 'get', first)).stdout).toMatch(
      new RegExp(`before +${second} \\(blocked\\)\n`),
    );
    await world.startWorker();
    expect(await blixard('run', '--after', second, '--', 'exit', '0')).toMatchObject({ code: 0 });
    expect((await blixard('job', 'get', second)).stdout).toMatch(/state +completed\n/);
  });

  it('tells which job failed, by the policy', async () => {
    await world.startWorker();
    const first = await detached('--', 'exit', '3');
    const failed = await blixard('run', '--after', first, '--', 'exit', '0');
    expect(failed.code).toBe(125);
    expect(failed.stderr).toContain(
      `failed (parent_failed): It was to run after job ${first}, which failed.`,
    );
    const skipped = await blixard('run', '--after', first, '--after-failed', 'skip', '--', 'exit', '0');
    expect(skipped).toMatchObject({
      code: 130,
      stderr: expect.stringContaining(`after job ${first}, which failed`),
    });
    expect((await blixard('run', '--after', first, '--after-failed', 'run', '--', 'exit', '7')).code).toBe(7);
    expect((await blixard('run', '--after', '0000', '--', 'exit', '0')).stderr).toContain(
      'There is no job 0000',
    );
  });

  it('and a file of jobs that run after each other; a cycle is refused and named', async () => {
    const first = await detached('--', 'exit', '0');
    const [a, b] = ['01890000-0000-7000-8000-00000000000a', '01890000-0000-7000-8000-00000000000b'];
    const lines = (jobs: object[]) => jobs.map((job) => `${JSON.stringify(job)}\n`).join('');
    const command = ['exit', '0'];
    const round = sceneWith(
      lines([
        { command, id: a, after: [b] },
        { command, id: b, after: [a] },
      ]),
    );
    expect(await round.run('job', 'submit', '--file', '-')).toBe(125);
    expect(round.terminal.stderr).toContain(`${a} → ${b} → ${a}`);
    const blank = sceneWith(`${lines([{ command }])} \n${lines([{ command }])}`);
    expect(await blank.run('job', 'submit', '--file', '-')).toBe(125);
    expect(blank.terminal.stderr).toContain('--file -, line 2: it is blank; each line must be a JSON object');
    const fine = sceneWith(
      lines([
        { command, id: a, after: [b] },
        { command, id: b },
      ]),
    );
    expect(await fine.run('job', 'submit', '--file', '-', '--after', first, '--group', 'file')).toBe(0);
    const { jobs } = await world.client.call('listJobs', { query: { group: 'file' } });
    expect(jobs.map(({ spec }) => spec.after)).toEqual([[b, first], [first]]);
    await world.startWorker();
    expect((await blixard('group', 'wait', 'file')).code).toBe(0);
  });
});

describe('blixard job submit', () => {
  it('refuses a file that is not UTF-8 as the server does, and a line that is no object, by its number', async () => {
    const bad = [
      [Buffer.from('{"command":["a"]}\n{"command":["caf\xe9"]}\n', 'latin1'), 'bytes that are not UTF-8'],
      ['{"command":["a"]}\nnull\n', 'it must be a JSON object'],
    ] as const;
    const first = await detached('--', 'exit', '0');
    for (const [stdin, problem] of bad) {
      const scene = sceneWith(stdin);
      expect(await scene.run('job', 'submit', '--file', '-', '--after', first)).toBe(125);
      expect(scene.terminal.stderr).toContain(`--file -, line 2: ${problem}`);
    }
    const marked = sceneWith('\ufeff{"command":["caf\u00e9"]}\r\n');
    expect(await marked.run('job', 'submit', '--file', '-'), marked.terminal.stderr).toBe(0);
    const { jobs } = await world.client.call('listJobs');
    expect(jobs.map(({ spec }) => spec.command)).toEqual([['caf\u00e9'], ['exit', '0']]);
  });
});

describe('blixard group', () => {
  it('wait exits 0 when all jobs completed, else 1, and ls and get tell how many', async () => {
    await world.startWorker();
    await detached('--group', 'fine', '--', 'exit', '0');
    await detached('--group', 'fine', '--', 'exit', '0');
    await detached('--group', 'bad', '--', 'exit', '0');
    await detached('--group', 'bad', '--', 'exit', '1');
    expect(await blixard('group', 'wait', 'fine')).toMatchObject({ code: 0, stdout: 'fine  2 completed\n' });
    expect(await blixard('group', 'wait', 'bad')).toMatchObject({
      code: 1,
      stdout: 'bad  1 completed, 1 failed\n',
    });
    expect((await blixard('group', 'ls')).stdout).toMatch(
      /bad +finished .*1 completed, 1 failed\nfine +finished/,
    );
    expect((await blixard('group', 'get', 'fine')).stdout).toMatch(/state +finished\njobs +2 completed\n/);
    const listed = await blixard('job', 'ls', '--group', 'bad', '--state', 'failed', '-o', 'json');
    expect((JSON.parse(listed.stdout) as { jobs: object[] }).jobs).toHaveLength(1);
    expect(await blixard('group', 'wait', 'typo')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('There is no group typo'),
    });
  });

  it('wait is left by Ctrl-C, and the jobs go on', async () => {
    const id = await detached('--group', 'g', '--', 'exit', '0');
    const scene = sceneWith();
    const waiting = scene.run('group', 'wait', 'g');
    await new Promise((resolve) => setTimeout(resolve, 50));
    scene.interrupt();
    expect(await waiting).toBe(130);
    expect(scene.terminal.stderr).toContain('left group g; its jobs go on');
    expect((await world.client.call('getJob', { params: { id } })).state).toBe('pending');
  });

  it('cancel ends jobs that wait and stops those that run', async () => {
    await world.startWorker({ slots: 1 });
    const running = await detached('--group', 'g', '--', 'sleep', '60000');
    await waitUntil(
      async () => (await world.client.call('getJob', { params: { id: running } })).state === 'running',
    );
    await detached('--group', 'g', '--', 'exit', '0');
    await detached('--group', 'g', '--after', running, '--', 'exit', '0');
    const { stdout } = await blixard('group', 'cancel', 'g', '--reason', 'enough');
    expect(stdout).toBe('2 cancelled, 1 being stopped\n');
    expect(await blixard('group', 'wait', 'g')).toMatchObject({ code: 1, stdout: 'g  3 cancelled\n' });
  });
});
