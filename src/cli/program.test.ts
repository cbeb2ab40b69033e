import { describe, expect, it } from 'vitest';
import { httpTransport } from '../client/http-transport.ts';
import { CliScene, type SceneOptions } from './cli-scene.suite.ts';

const nowhere = (): ReturnType<typeof httpTransport> => httpTransport({ url: 'http://127.0.0.1:9' });
const call = async (args: readonly string[], options: Partial<SceneOptions> = {}) => {
  const scene = new CliScene({ transport: nowhere, ...options });
  const code = await scene.run(...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
};

const commands = [
  ...['run', 'up', 'server', 'worker', 'doctor', 'verify', 'config', 'openapi'].map((verb) => [verb]),
  ...['ls', 'get', 'logs', 'wait', 'cancel', 'retry', 'rm'].map((verb) => ['job', verb]),
  ...['ls', 'get', 'set', 'pause', 'resume', 'redrive', 'purge'].map((verb) => ['queue', verb]),
  ...['ls', 'get', 'set', 'rm', 'pause', 'resume', 'trigger'].map((verb) => ['schedule', verb]),
  ['events'],
  ...['ls', 'get', 'set', 'rm', 'test', 'deliveries', 'redeliver'].map((verb) => ['webhook', verb]),
  ...['ls', 'drain'].map((verb) => ['worker', verb]),
  ...['ls', 'get', 'build', 'warm', 'rm', 'gc'].map((verb) => ['image', verb]),
];

describe('the program', () => {
  it('prints its version on standard output', async () => {
    expect(await call(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
    expect((await call(['-v'])).stdout).toBe('1.2.3\n');
  });

  it.each(commands.map((command) => [command.join(' '), command]))(
    '%s explains itself',
    async (name, command) => {
      const { code, stdout } = await call([...command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: blixard ${name} `);
      expect(stdout).toMatch(/\nExamples:\n {2}\$ /);
    },
  );

  it.each([
    [['job', 'help', 'get'], 'Usage: blixard job get '],
    [['job', 'help'], 'Usage: blixard job '],
    [['worker', 'help', 'drain'], 'Usage: blixard worker drain '],
    [['help', 'run'], 'Usage: blixard run '],
    [['help', 'run', 'ls'], 'Usage: blixard run '],
    [['help', 'job', 'ls'], 'Usage: blixard job ls '],
    [['help', 'worker', 'drain'], 'Usage: blixard worker drain '],
  ])('%j is help, too', async (args, usage) => {
    const { code, stdout } = await call(args);
    expect(code).toBe(0);
    expect(stdout).toContain(usage);
  });

  it.each([
    [['rnu', 'true'], "unknown command 'rnu'", 'did you mean run?'],
    [['job', 'cancle', 'x'], "unknown command 'cancle'", 'did you mean cancel?'],
    [['job', 'ls', '--stat', 'x'], "unknown option '--stat'", 'did you mean --state?'],
    [['worker', 'lss'], "unknown command 'lss'", 'did you mean ls?'],
    [['worker', 'zzz'], "unknown command 'zzz'", 'blixard worker --help'],
    [['logs', '-f', '0197f2c4'], "unknown command 'logs'", 'did you mean job logs?'],
    [
      ['ls'],
      "unknown command 'ls'",
      'did you mean job ls or group ls or queue ls or schedule ls or webhook ls or worker ls or vm ls or image ls?',
    ],
    [['ps'], "unknown command 'ps'", 'hint: blixard --help'],
    [['job', 'get'], "missing required argument 'job'", 'blixard job get --help'],
    [
      ['job', 'ls', '--state', 'gone'],
      '--state gone: it must be one or more of blocked, ',
      'blixard job ls --help',
    ],
  ])('%j is refused with what was meant', async (args, problem, hint) => {
    const { code, stdout, stderr } = await call(args);
    expect(code).toBe(125);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^blixard: .*\nhint: .*\n$/);
    expect(stderr).toContain(problem);
    expect(stderr).toContain(hint);
  });

  it('prints the help of a command that was asked for by name', async () => {
    const { code, stdout } = await call(['help', 'run']);
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'Usage: blixard run [options] <command...>']);
  });

  it.each([['xyz'], ['019'], ['0197f2c4-and-more']])('%s is no job id, said without asking', async (id) => {
    const { code, stderr } = await call(['job', 'logs', id]);
    expect(code).toBe(125);
    expect(stderr).toBe(
      `blixard: ${id}: it must be the id of a job, or the start of one, 4 characters or more\n` +
        'hint: blixard job logs --help shows how to call it.\n',
    );
  });

  it('says what to start when no server answers', async () => {
    const { code, stderr } = await call(['job', 'ls']);
    expect(code).toBe(125);
    expect(stderr).toContain('blixard: No Blixard server answers at http://127.0.0.1:9');
    expect(stderr).toContain('hint: Start one with: blixard up');
  });

  it('shows where an error came from only with --verbose', async () => {
    const host = { config: () => Promise.reject(new TypeError('x is not a function')) };
    expect((await call(['config'], { host })).stderr).not.toContain('program.test.ts');
    expect((await call(['config', '--verbose'], { host })).stderr).toContain('program.test.ts');
  });
});

describe('the commands about this host', () => {
  it('doctor says what is wrong and how to mend it, and fails only for a failure', async () => {
    const fine = { check: 'clock', result: 'ok', text: 'right', mend: null } as const;
    const odd = { check: 'QEMU', result: 'warn', text: 'slow', mend: 'use KVM' } as const;
    const bad = { check: 'image', result: 'fail', text: 'missing', mend: 'build it' } as const;
    const doctor = (findings: readonly (typeof fine | typeof odd | typeof bad)[]) =>
      call(['doctor'], { host: { doctor: async () => findings } });
    expect(await doctor([fine])).toMatchObject({ code: 0, stdout: '✔ clock  right\n\nAll is well.\n' });
    expect((await doctor([fine, odd])).code).toBe(0);
    const failed = await doctor([fine, bad]);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain('✘ image  missing\n         → build it\n');
  });

  it('up, server and worker end with the exit code of their process', async () => {
    expect((await call(['up'], { host: { up: async () => 143 } })).code).toBe(143);
  });

  it('worker takes the flags of its own, and its verbs theirs', async () => {
    const seen: unknown[] = [];
    const host = { worker: async (flags: unknown) => seen.push(flags) - 1 };
    expect((await call(['worker', '--server', 'http://x'], { host })).code).toBe(0);
    expect(seen).toEqual([{ server: 'http://x' }]);
  });
});
