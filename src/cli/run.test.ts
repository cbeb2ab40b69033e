import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appTransport } from '../control/http/app-transport.ts';
import { FakeExecutor, patternOfBytes } from '../executor/fake/fake-executor.ts';
import { realClock } from '../platform/clock.ts';
import { World, waitUntil } from '../worker/world.suite.ts';
import { CliScene, type SceneOptions, TestTerminal } from './cli-scene.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

const scene = (options: Partial<SceneOptions> = {}): CliScene =>
  new CliScene({ transport: () => appTransport(world.app), ...options });

const newestJob = async () => {
  const { jobs } = await world.client.call('listJobs', { query: { limit: 1 } });
  const [job] = jobs;
  if (job === undefined) throw new Error('no job was submitted');
  return job;
};

describe('blixard run', () => {
  it('copies both streams byte for byte and exits with the command’s code', async () => {
    await world.startWorker();
    const { terminal, run } = prepared();
    expect(await run('run', '--', 'bytes', '70000', ';', 'print-error', 'oops', ';', 'exit', '3')).toBe(3);
    expect(terminal.bytes('stdout')).toEqual(patternOfBytes(70_000));
    expect(terminal.stderr).toBe('oops');
  });

  it('needs no dashes before the command, and leaves its flags alone', async () => {
    const { terminal, run } = prepared();
    expect(await run('run', '-d', '--memory', '1g', 'print', '-d', '--timeout', '5s')).toBe(0);
    const job = await newestJob();
    expect(job.spec.command).toEqual(['print', '-d', '--timeout', '5s']);
    expect(job.spec).toMatchObject({ memoryMiB: 1_024, timeoutMs: 600_000 });
    expect(terminal.stdout).toBe(`${job.id}\n`);
  });

  it('submits what its flags say', async () => {
    const { run } = prepared({ env: { HOME: '/home/user' }, stdin: 'from here' });
    const flags = '-d -i -e A=1 -e HOME --cpus 2 --timeout 90s --queue ci -w /tmp -u 1000 --attempts 3';
    expect(await run('run', ...flags.split(' '), '--', 'true')).toBe(0);
    expect((await newestJob()).spec).toMatchObject({
      env: { A: '1', HOME: '/home/user' },
      ...{ vcpus: 2, timeoutMs: 90_000, queue: 'ci', cwd: '/tmp', uid: 1_000, attemptsMax: 3 },
      stdinBase64: Buffer.from('from here').toString('base64'),
    });
  });

  it('submits what it may take of its VM, and says which flag asks for too much', async () => {
    const { run, terminal } = prepared();
    expect(await run('run', ...'-d -m 256 --disk 100m --pids 64'.split(' '), 'true')).toBe(0);
    expect((await newestJob()).spec).toMatchObject({ memoryMiB: 256, diskMiB: 100, pids: 64 });
    expect(await run('run', ...'-d -m 256 --disk 300m'.split(' '), 'true')).not.toBe(0);
    expect(terminal.stderr).toContain('--disk: diskMiB is 300; allowed: at most 128 with memoryMiB 256; 300');
    expect(await run('run', '-d', '--pids', '0', 'true')).not.toBe(0);
    expect(terminal.stderr).toContain('--pids: pids is 0; allowed: an integer from 1 to 4194304');
  });

  it('submits when the job is to start, and by what it is found', async () => {
    const { run } = prepared();
    const flags =
      '-d --priority -5 --delay 1h --expire-in 90s --label team=a=b --label kind=x --tenant acme --isolation shared';
    expect(await run('run', ...flags.split(' '), '--no-zygote', 'true')).toBe(0);
    const job = await newestJob();
    expect(job).toMatchObject({ state: 'scheduled', runAtMs: job.createdAtMs + 3_600_000 });
    expect(job.spec).toMatchObject({ priority: -5, delayMs: 3_600_000, expireInMs: 90_000, tenant: 'acme' });
    expect(job.spec.isolation).toBe('shared');
    expect(job.spec.labels).toEqual({ team: 'a=b', kind: 'x' });
    expect(job.spec.zygote).toBe(false);
    const atMs = Math.floor(Date.now() / 1_000) * 1_000 + 86_400_000;
    expect(await run('run', '-d', '--at', new Date(atMs).toISOString(), 'true')).toBe(0);
    expect(await newestJob()).toMatchObject({ state: 'scheduled', runAtMs: atMs });
  });

  it('submits once under a key, and one job under a unique key', async () => {
    const { run, terminal } = prepared();
    const flags = '-d --idempotency-key order-7 --unique nightly --unique-policy existing';
    for (const command of ['true', 'true']) expect(await run('run', ...flags.split(' '), command)).toBe(0);
    const { id } = await newestJob();
    expect(terminal.stdout).toBe(`${id}\n${id}\n`);
    expect(await run('run', '-d', '--idempotency-key', 'order-7', 'false')).toBe(125);
    expect(terminal.stderr).toContain(`Idempotency key order-7 was used with another body, for job ${id}.`);
    expect(await run('run', '-d', '--unique', 'nightly', 'false')).toBe(125);
    expect(terminal.stderr).toContain(`Job ${id} of queue default has the unique key nightly`);
  });

  it('exits with 124 and says so when the command was too slow', async () => {
    await world.startWorker();
    const { terminal, run } = prepared();
    expect(await run('run', '--timeout', '50ms', '--', 'sleep', '60000')).toBe(124);
    expect(terminal.stderr).toMatch(/^blixard: job [0-9a-f-]{36} failed \(timeout\): /);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('cancels the job at %s and waits for its end', async (signal, code) => {
    const { executor } = await world.startWorker();
    const { run, interrupt } = prepared();
    const exitCode = run('run', '--', 'sleep', '60000');
    await waitUntil(() => executor.live === 1);
    interrupt(signal);
    expect(await exitCode).toBe(code);
    expect(await newestJob()).toMatchObject({ state: 'cancelled', cancelReason: 'interrupted' });
    expect(executor.live).toBe(0);
  });

  it('leaves at the second Ctrl-C, naming the job', async () => {
    const stubborn = new FakeExecutor({ clock: realClock, name: 'microvm', stopGraceMs: 60_000 });
    await world.startWorker({ executor: stubborn });
    const { terminal, run, interrupt } = prepared();
    const exitCode = run('run', '--', 'ignore-stop', ';', 'print', 'x', ';', 'sleep', '60000');
    await waitUntil(() => terminal.stdout === 'x');
    interrupt();
    interrupt();
    expect(await exitCode).toBe(130);
    expect(terminal.stderr).toContain(`left job ${(await newestJob()).id} while it is being cancelled`);
  });

  it('cancels the job when nobody reads its output any more', async () => {
    await world.startWorker();
    const { terminal, run } = prepared();
    terminal.stdoutIsClosed = true;
    expect(await run('run', '--', 'print', 'x', ';', 'sleep', '60000')).toBe(141);
    const job = await world.ended((await newestJob()).id);
    expect(job).toMatchObject({ state: 'cancelled', cancelReason: 'nobody reads its output' });
  });

  it('ends like a program of a pipe when the job was over before its reader went', async () => {
    await world.startWorker();
    const { terminal, run } = prepared();
    terminal.onWrite = async () => {
      await world.ended((await newestJob()).id);
      terminal.stdoutIsClosed = true;
    };
    expect(await run('run', '--', 'print', 'x')).toBe(141);
    expect(await newestJob()).toMatchObject({ state: 'completed' });
    expect(terminal.stderr).toBe('');
  });

  it('goes on without standard error when only that has lost its reader', async () => {
    await world.startWorker();
    const { terminal, run } = prepared();
    terminal.stderrIsClosed = true;
    const script = ['print-error', 'x', ';', 'print', 'y', ';', 'exit', '7'];
    expect(await run('run', '--attempts', '2', '--', ...script)).toBe(7);
    expect(terminal.stdout).toBe('yy');
    const { id } = await newestJob();
    expect(await run('job', 'logs', '--attempt', '2', id)).toBe(0);
    expect(terminal.stdout).toBe('yyy');
    expect(await run('job', 'logs', '--stream', 'stderr', id)).toBe(141);
    expect(await run('job', 'logs', '-f', '--stream', 'stderr', id)).toBe(141);
  });

  it('says where the output of another attempt begins', async () => {
    await world.startWorker();
    const { terminal, run } = prepared();
    expect(await run('run', '--attempts', '2', '--', 'print', 'x', ';', 'exit', '7')).toBe(7);
    expect(terminal.stdout).toBe('xx');
    expect(terminal.stderr).toBe('blixard: attempt 1 is over; attempt 2 begins anew\n');
  });

  it.each([
    [['run'], "missing required argument 'command'"],
    [['run', '--timeout', 'soon', 'true'], '--timeout soon: it must be a duration'],
    [['run', '-m', '1', 'true'], '--memory: memoryMiB is 1; allowed: an integer from 80'],
    [['run', '-e', `A=${'x'.repeat(200_000)}`, 'true'], '-e: env.A is "xxx'],
    [['run', '--at', '2999-01-31T08:00Z', 'true'], '--at: it is 2999-01-31T08:00:00.000Z; allowed: at'],
    [['run', '--priority', 'high', 'true'], '--priority high: it must be a whole number'],
    [
      ['run', '--priority', '101', 'true'],
      '--priority: priority is 101; allowed: an integer from -100 to 100',
    ],
    [['run', '--label', 'x', 'true'], '--label x: it must be name=value'],
    [['run', '--unique-policy', 'replace', 'true'], '--unique: unique.key is ""; allowed: text'],
    [['run', '-e', '1=2', 'true'], '-e 1=2: it must be NAME=value'],
    [['run', '--env-file', '/absent', 'true'], '--env-file /absent: ENOENT'],
    [['run', '-o', 'json', 'true'], '-o json needs -d'],
  ])('%j is refused with 125 and what is wrong', async (args, problem) => {
    const { terminal, run } = prepared();
    expect(await run(...args)).toBe(125);
    expect(terminal.stderr).toContain(problem);
    expect(terminal.stderr).toContain('\nhint: blixard run --help ');
    expect(terminal.stdout).toBe('');
  });

  function prepared(options: Partial<SceneOptions> = {}) {
    const made = scene(options);
    return {
      terminal: made.terminal,
      run: (...args: string[]) => made.run(...args),
      interrupt: (signal?: 'SIGINT' | 'SIGTERM') => made.interrupt(signal),
    };
  }
});

describe('the commands about jobs', () => {
  /** Output of one command that must succeed. */
  const output = async (...args: string[]): Promise<string> => {
    const made = scene();
    expect(await made.run(...args), made.terminal.stderr).toBe(0);
    return made.terminal.stdout;
  };

  it('list, show, print and wait for a job, by a unique start of its id', async () => {
    await world.startWorker();
    const { id } = await world.submit(['print', 'out', ';', 'print-error', 'err', ';', 'exit', '3']);
    await world.ended(id);
    expect(await output('job', 'ls')).toMatch(
      new RegExp(`^ID .*\n${id}  failed  exit 3  default .* print out`),
    );
    expect(await output('job', 'get', id.slice(0, 20))).toMatch(/state +failed\nend +exit 3\n/);
    expect(await output('job', 'logs', id)).toBe('out');
    const errors = scene();
    expect(await errors.run('job', 'logs', '-f', '--stream', 'stderr', id)).toBe(0);
    expect([errors.terminal.stdout, errors.terminal.stderr]).toEqual(['', 'err']);
    expect(await scene().run('job', 'wait', id)).toBe(3);
  });

  it('get says what may be done next', async () => {
    await world.startWorker();
    const { id: failed } = await world.submit(['exit', '3']);
    await world.ended(failed);
    expect(await output('job', 'get', failed)).toContain(
      `next       blixard job logs ${failed}\n           blixard job retry ${failed}\n`,
    );
    const { id: waiting } = await world.submit(['true'], { queue: 'nobody' });
    expect(await output('job', 'get', waiting)).toContain(`next       blixard job cancel ${waiting}\n`);
  });

  it('print the API’s JSON', async () => {
    const { id } = await world.submit(['true']);
    expect(JSON.parse(await output('job', 'get', id, '-o', 'json'))).toEqual(await world.get(id));
    const page = await world.client.call('listJobs', { query: { state: 'pending' } });
    expect(JSON.parse(await output('job', 'ls', '--state', 'failed,pending', '-o', 'json'))).toEqual(page);
  });

  it('list what labels, tenant, text and time name', async () => {
    const { id } = await world.submit(['echo', 'needle'], { labels: { team: 'a' }, tenant: 'acme' });
    await world.submit(['true'], { labels: { team: 'b' } });
    for (const flags of ['--label team=a', '--tenant acme', '--text needle', '--since 1h --text needle'])
      expect(await output('job', 'ls', ...flags.split(' ')), flags).toMatch(
        new RegExp(`^ID .*\n${id} [^\n]*\n$`),
      );
    expect(await output('job', 'ls', '--until', '1h')).toMatch(/^ID [^\n]*\n$/);
    const wrong = scene();
    expect(await wrong.run('job', 'ls', '--since', 'often')).toBe(125);
    expect(wrong.terminal.stderr).toContain('--since often: it must be how long ago, such as 2h, or a time');
  });

  it('submit all jobs of a file, or none', async () => {
    const lines = `{"command":["first"]}\n{"command":["second"],"priority":5}\n`;
    const made = scene({ stdin: lines });
    expect(await made.run('job', 'submit', '--file', '-'), made.terminal.stderr).toBe(0);
    const ids = made.terminal.stdout.trim().split('\n');
    expect((await world.get(ids[1] ?? '')).spec).toMatchObject({ command: ['second'], priority: 5 });
    const bad = scene({ stdin: `${lines}{"command":[]}\n` });
    expect(await bad.run('job', 'submit', '--file', '-')).toBe(125);
    expect(bad.terminal.stderr).toContain(
      'Line 3: command: is 0 entries; allowed: a list of 1 to 1000 entries.',
    );
    const noJson = scene({ stdin: `${lines}x\n` });
    expect(await noJson.run('job', 'submit', '--file', '-')).toBe(125);
    expect(noJson.terminal.stderr).toContain('--file -, line 3: ');
    expect((await world.client.call('listJobs')).jobs).toHaveLength(2);
  });

  it('cancel and retry several jobs', async () => {
    const { id: first } = await world.submit(['true']);
    const { id: second } = await world.submit(['true']);
    expect(await output('job', 'cancel', '--reason', 'not needed', first, second)).toBe(
      `${first}  cancelled\n${second}  cancelled\n`,
    );
    expect(await world.get(second)).toMatchObject({ cancelReason: 'not needed', cancelledBy: 'ann@desk' });
    expect(await output('job', 'get', second)).toMatch(/cancelled +by ann@desk: not needed\n/);
    expect(await output('job', 'retry', first)).toBe(`${first}  pending\n`);
    expect(await output('job', 'retry', '--delay', '1h', second)).toBe(`${second}  scheduled\n`);
  });

  it('end with an error that names the job there is not', async () => {
    const terminal = new TestTerminal();
    expect(await scene({ terminal }).run('job', 'get', '0197f2c4')).toBe(125);
    expect(terminal.stderr).toBe(
      'blixard: There is no job 0197f2c4.\nhint: blixard job ls shows the newest jobs.\n',
    );
  });

  it('end quietly when the reader has gone', async () => {
    const terminal = new TestTerminal();
    terminal.stdoutIsClosed = true;
    expect(await scene({ terminal }).run('job', 'ls')).toBe(141);
    expect(terminal.stderr).toBe('');
  });
});
