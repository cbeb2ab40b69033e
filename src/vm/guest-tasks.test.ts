/** The tasks of the real agent, run as an ordinary process: run directory, progress, files in, files out. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guestTasks } from '../contract/guest.ts';
import { limits } from '../domain/limits.ts';
import {
  type BuiltAgent,
  buildTestAgent,
  command,
  endWell,
  type Greeted,
  run,
  shell,
  startGreeted,
} from './guest-agent.suite.ts';
import { type BundlePart, BundleReader } from './guest-bundle.ts';
import type { GuestExec } from './guest-session.ts';

let built: BuiltAgent;
let greeted: Greeted;
let base: string;
let dir: string;

beforeAll(async () => {
  built = await buildTestAgent('checked');
}, 60_000);
afterAll(() => built.remove());
beforeEach(async () => {
  greeted = await startGreeted(built.file);
  base = await mkdtemp(join(tmpdir(), 'blixard-tasks-'));
  dir = join(base, 'run', 'of-the-job');
});
afterEach(async () => {
  await endWell(greeted);
  await rm(base, { recursive: true });
});

interface Task {
  readonly exec: GuestExec;
  stdout(): Buffer;
  stderr(): string;
}

function task(argv: readonly string[], cwd = dir, stdin: Uint8Array = new Uint8Array()): Task {
  const parts = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const exec = greeted.session.task(command(argv, { cwd }), {
    stdin,
    output: async (stream, data) => {
      parts[stream].push(data);
    },
  });
  return {
    exec,
    stdout: () => Buffer.concat(parts.stdout),
    stderr: () => Buffer.concat(parts.stderr).toString(),
  };
}

/** What is collected: files by name, and notes. */
async function collect(paths: readonly string[] = [], argv = guestTasks.collect(paths)) {
  const collected = task(argv);
  expect((await collected.exec.exited).code).toBe(0);
  return read(collected.stdout());
}

function read(bytes: Buffer) {
  const reader = new BundleReader();
  const files: Record<string, Buffer> = {};
  const results: Buffer[] = [];
  const notes: string[] = [];
  let name: string | undefined;
  let parts: Buffer[] = [];
  const end = (whole: boolean): void => {
    const contents = whole ? Buffer.concat(parts) : Buffer.from('broken');
    if (name === undefined) results.push(contents);
    else files[name] = contents;
    parts = [];
  };
  for (const part of reader.push(bytes) as BundlePart[]) {
    if (part.kind === 'note') notes.push(part.text.toString());
    else if (part.kind === 'file') name = part.what === 'result' ? undefined : part.name.toString();
    else if (part.kind === 'bytes') parts.push(part.data);
    else end(part.whole);
  }
  reader.finish();
  return { files, results, notes };
}

describe('watch', () => {
  it('makes the run directory before the next frame, and prints what is written to its progress', async () => {
    const watch = task(guestTasks.watch());
    const script = `cd ${dir} && ls -p && echo 10 first > progress && echo 20 second > progress`;
    const ran = await run(greeted.session, shell(script));
    expect(ran.stdout.toString().split('\n')).toEqual(['artifacts/', 'inputs/', 'progress', '']);
    expect(ran.exit.code).toBe(0);
    watch.exec.signal(constants.signals.SIGTERM);
    expect(await watch.exec.exited).toMatchObject({ code: 0, signal: 0 });
    expect(watch.stdout().toString()).toBe('10 first\n20 second\n');
  });

  it('loses nothing that was written before its end, however short the command is', async () => {
    for (let round = 0; round < 30; round++) {
      dir = join(base, String(round));
      const watch = task(guestTasks.watch());
      await run(greeted.session, shell(`echo 100 done > ${dir}/progress`));
      watch.exec.signal(constants.signals.SIGTERM);
      await watch.exec.exited;
      expect(watch.stdout().toString()).toBe('100 done\n');
    }
  });

  it('belongs to the user of the command, who alone may write to it', async () => {
    const watch = task(guestTasks.watch());
    await run(greeted.session, command(['true']));
    const facts = await stat(join(dir, 'progress'));
    expect(facts.isFIFO()).toBe(true);
    expect(facts.mode & 0o777).toBe(0o600);
    expect(facts.uid).toBe(process.getuid?.());
    watch.exec.signal(constants.signals.SIGKILL);
    await watch.exec.exited;
  });

  it('refuses a run directory that is there already', async () => {
    await mkdir(dir, { recursive: true });
    await expect(task(guestTasks.watch()).exec.exited).rejects.toThrow('File exists');
  });
});

describe('put', () => {
  it('writes a file in pieces, with the folders above it', async () => {
    const bytes = randomBytes(limits.stdinBytes + 70_000);
    await mkdir(dir, { recursive: true });
    for (const [start, end] of [
      [0, 100],
      [100, limits.stdinBytes],
      [limits.stdinBytes, bytes.length],
    ] as const) {
      const put = task(guestTasks.put(start, 'job/artifacts/a b.bin'), dir, bytes.subarray(start, end));
      expect((await put.exec.exited).code).toBe(0);
    }
    expect((await readFile(join(dir, 'job/artifacts/a b.bin'))).equals(bytes)).toBe(true);
  });

  it('says what is wrong', async () => {
    await mkdir(join(dir, 'folder'), { recursive: true });
    const put = task(guestTasks.put(0, 'folder'));
    expect((await put.exec.exited).code).toBe(1);
    expect(put.stderr()).toBe('folder: Is a directory');
  });

  it('tells a full disk from other trouble', async () => {
    const put = task(guestTasks.put(0, 'full'), '/dev', Buffer.from('x'));
    expect((await put.exec.exited).code).toBe(28);
  });
});

describe('collect', () => {
  beforeEach(async () => {
    await mkdir(join(dir, 'artifacts/deep/er'), { recursive: true });
  });

  it('sends the result, all files below artifacts, and what else is named', async () => {
    const large = randomBytes(3_000_000);
    await writeFile(join(dir, 'result.json'), '{"a":1}');
    await writeFile(join(dir, 'artifacts/deep/er/file'), large);
    await writeFile(join(dir, 'artifacts/empty'), '');
    await mkdir(join(base, 'out/sub'), { recursive: true });
    await writeFile(join(base, 'out/sub/x'), 'x');
    await writeFile(join(base, 'single'), 's');
    const { files, results, notes } = await collect([join(base, 'out/'), join(base, 'single'), '/no/such']);
    expect(results.map(String)).toEqual(['{"a":1}']);
    expect(Object.keys(files).sort()).toEqual(['deep/er/file', 'empty', 'out/sub/x', 'single']);
    expect(files['deep/er/file']?.equals(large)).toBe(true);
    expect(notes).toEqual(['/no/such: No such file or directory']);
  });

  it('follows no link, and reads nothing that is no file', async () => {
    await symlink('/etc/passwd', join(dir, 'artifacts/link'));
    await symlink('/etc', join(dir, 'artifacts/folder'));
    await symlink('/etc/passwd', join(dir, 'result.json'));
    await run(greeted.session, command(['mkfifo', join(dir, 'artifacts/fifo')]));
    const { files, results, notes } = await collect([join(dir, 'artifacts/link')]);
    expect(files).toEqual({});
    expect(results).toEqual([]);
    expect(notes.sort()).toEqual(
      [
        `${dir}/artifacts/link: a symbolic link is not collected`.slice(-255),
        'artifacts/fifo: only regular files are collected',
        'artifacts/folder: a symbolic link is not collected',
        'artifacts/link: a symbolic link is not collected',
        'result.json: a symbolic link is not collected',
      ].sort(),
    );
  });

  it('follows no link in place of the folder of artifacts', async () => {
    await rm(join(dir, 'artifacts'), { recursive: true });
    await symlink('/etc', join(dir, 'artifacts'));
    expect((await collect()).files).toEqual({});
  });

  it('keeps within what the host takes, and says what is left out', async () => {
    await writeFile(join(dir, 'result.json'), 'x'.repeat(11));
    for (const name of ['a', 'b', 'c', 'd']) await writeFile(join(dir, 'artifacts', name), name);
    await writeFile(join(dir, 'artifacts/large'), 'x'.repeat(21));
    const { files, results, notes } = await collect([], ['collect', '10', '20', '3']);
    expect(results).toEqual([]);
    expect(Object.keys(files).length).toBeLessThanOrEqual(3);
    expect(Object.keys(files)).not.toContain('large');
    expect(notes).toContain('result dropped: it has 11 bytes, allowed are 10');
    expect(notes.join()).toContain('too many files; this and what follows is left out');
  });

  it('has an end for folders inside one another', async () => {
    await mkdir(join(dir, 'artifacts', 'x/'.repeat(40)), { recursive: true });
    const { notes } = await collect();
    expect(notes.join()).toContain('too many folders inside one another');
  });
});

it('refuses what is no task', async () => {
  await expect(task(['format'], '/').exec.exited).rejects.toThrow('Function not implemented');
});

it('sets no limits outside of a VM, and none that are not whole', async () => {
  await expect(task(guestTasks.limits(8_000_000, 16), '/').exec.exited).rejects.toThrow(
    'Operation not permitted',
  );
  await expect(task(['limits', '8000000'], '/').exec.exited).rejects.toThrow('Invalid argument');
  expect((await run(greeted.session, shell('exit 3'))).exit).toMatchObject({ code: 3, diskFull: false });
});
