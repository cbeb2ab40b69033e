/** Commands taken by zygotes of the real agent end as when they are started on their own. */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestTasks } from '../contract/guest.ts';
import {
  type BuiltAgent,
  buildTestAgent,
  command,
  endWell,
  type Greeted,
  startGreeted,
} from './guest-agent.suite.ts';
import { caseEnv, comparable, hostPlace, runCase, type ZygoteCase } from './zygote.suite.ts';
import { nodeCases } from './zygote-node.suite.ts';
import { pythonCases } from './zygote-python.suite.ts';
import { zygoteKinds } from './zygotes.ts';

const sourceDir = fileURLToPath(new URL('../../guest/zygotes', import.meta.url));

let base = '';
/** A copy, because Python puts its bytecode beside. */
let dir = '';
let built: BuiltAgent;
let greeted: Greeted;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'blixard-zygotes-'));
  dir = join(base, 'zygotes');
  await cp(sourceDir, dir, { recursive: true });
  built = await buildTestAgent('checked');
  greeted = await startGreeted(built.file);
}, 60_000);
afterAll(async () => {
  await endWell(greeted);
  await built.remove();
  await rm(base, { recursive: true });
});

async function startZygote(name: string, task = guestTasks.zygote): Promise<void> {
  const kind = zygoteKinds[name];
  if (kind === undefined) throw new Error(`there is no zygote of ${name}`);
  const spec = command(task(kind.argv(dir)), { env: [...caseEnv, ...kind.env(dir)] });
  const io = {
    stdin: new Uint8Array(),
    output: async (_: string, data: Buffer) => Promise.reject(data.toString()),
  };
  expect(await greeted.session.task(spec, io).exited).toMatchObject({ code: 0 });
}

async function expectAlike(zygote: string, one: ZygoteCase): Promise<void> {
  // One folder, emptied in between: its name is in what commands print.
  const folder = join(base, 'case');
  const runBy = async (mayBeByZygote: boolean) => {
    await mkdir(folder);
    const place = hostPlace(folder, (spec, io) => greeted.session.run(spec, io, mayBeByZygote));
    return await runCase(one, place).finally(() => rm(folder, { recursive: true }));
  };
  const plain = await runBy(false);
  await startZygote(zygote);
  const taken = await runBy(true);
  expect(comparable(taken)).toEqual(comparable({ ...plain, byZygote: one.taken }));
}

/** Every third, and all in the long run. */
const step = process.env['BLIXARD_TEST_LONG'] === '1' ? 1 : 3;
const some = (cases: readonly ZygoteCase[]) => cases.filter((_, index) => index % step === 0);

/** What the stand-in for the start of Python was read against. */
const hasPython = /^Python 3\.1[12]\./.test(
  spawnSync('/usr/bin/python3', ['-V'], { encoding: 'utf8' }).stdout ?? '',
);

describe.skipIf(!hasPython)('a zygote of Python', () => {
  it.each(some(pythonCases))('$name', (one) => expectAlike('python3', one));
});

describe('a zygote of Node', () => {
  it.each(some(nodeCases))('$name', (one) => expectAlike('node', one));
});

/** Zygotes that wait, and commands that are run meanwhile. */
describe('zygotes that wait', () => {
  const sh = ['sh', '-c', 'true'];
  const node = ['node', '-e', '0'];
  const io = { stdin: new Uint8Array(), output: async () => undefined };
  const start = (argv: readonly string[]) =>
    greeted.session.task(command(guestTasks.zygote(argv), { env: caseEnv }), io).exited;
  const runBy = async (argv: readonly string[], mayBeByZygote = true, env: readonly string[] = caseEnv) => {
    const exec = greeted.session.run(command(argv, { env }), io, mayBeByZygote);
    expect(await exec.exited).toMatchObject({ code: 0 });
    return exec.byZygote;
  };

  it('are there for one command and no other', async () => {
    await startZygote('node');
    await startZygote('node');
    await greeted.session.exec(command(sh), io).exited;
    expect([await runBy(node), await runBy(node)]).toEqual([true, false]);
  });

  it('are gone after any command of a job', async () => {
    await startZygote('node');
    await runBy(sh);
    expect(await runBy(node)).toBe(false);
    await startZygote('node');
    expect(await runBy(node, false)).toBe(false);
    expect(await runBy(node)).toBe(false);
  });

  it('leave a command of no consequence to one that was started for it, and only that', async () => {
    const lineOf = async () => {
      let line = '';
      const output = async (_: string, data: Buffer): Promise<void> => {
        line += data.toString();
      };
      const print = 'console.log(fs.readFileSync("/proc/self/cmdline", "utf8").split("\\0").at(-2))';
      const spec = command(['node', '-e', print], { env: caseEnv });
      expect(await greeted.session.exec(spec, { ...io, output }).exited).toMatchObject({ code: 0 });
      return line.trim();
    };
    await startZygote('node');
    await startZygote('node', guestTasks.rehearsal);
    expect(await lineOf()).toBe('zygote');
    expect(await lineOf()).toContain('cmdline');
    expect(await runBy(node)).toBe(true);
    await startZygote('node', guestTasks.rehearsal);
    expect(await runBy(node)).toBe(false);
    expect(await lineOf()).toContain('cmdline');
  });

  it('do not take a command of another program of that name', async () => {
    const own = join(base, 'bin');
    await mkdir(own);
    await symlink(process.execPath, join(own, 'node'));
    await startZygote('node');
    expect(await runBy(node, true, [`PATH=${own}`])).toBe(false);
  });

  it('that die leave the command to a start of its own', async () => {
    await startZygote('node');
    // By its arguments: Node 24 gives its main thread, and so its process, another name.
    const kill = "kill -9 $(pgrep -P $PPID -f '[z]ygote')";
    await greeted.session.exec(command(['sh', '-c', kill]), io).exited;
    expect(await runBy(node)).toBe(false);
  });

  it('are bounded in number, and one that does not start is told', async () => {
    expect(await start(['sh', '-c', 'exit 5'])).toMatchObject({ code: 5 });
    await expect(start(['no-such-program'])).rejects.toThrow('No such file');
    for (let count = 0; count < 4; count++) await startZygote('node');
    await expect(start(['sleep', '1'])).rejects.toThrow('unavailable');
    await runBy(sh);
  });
});
