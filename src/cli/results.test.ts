import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transport } from '../client/index.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { World } from '../worker/world.suite.ts';
import { CliScene, TestTerminal } from './cli-scene.suite.ts';

let world: World;
let dir: string;
beforeEach(async () => {
  world = await World.open();
  await world.startWorker();
  dir = await mkdtemp(join(tmpdir(), 'blixard-cli-'));
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
  await rm(dir, { recursive: true });
});

async function blixard(args: readonly string[], terminal = new TestTerminal(), transport?: Transport) {
  const scene = new CliScene({ transport: () => transport ?? appTransport(world.app), terminal });
  const code = await scene.run(...args);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

async function toldJob(): Promise<string> {
  const words = [
    'result',
    '{"score": 7}',
    ';',
    'artifact',
    'report.txt',
    'all fine',
    ';',
    'artifact',
    'a/b',
    'x',
  ];
  const { id } = await world.submit(['progress', '100', 'done', ';', ...words]);
  await world.ended(id);
  return id;
}

describe('blixard job result', () => {
  it('prints what the job wrote', async () => {
    const id = await toldJob();
    expect(await blixard(['job', 'result', id])).toEqual({ code: 0, stdout: '{"score": 7}\n', stderr: '' });
  });

  it('says when there is none', async () => {
    const job = await world.submit(['exit', '0']);
    await world.ended(job.id);
    const { code, stdout, stderr } = await blixard(['job', 'result', job.id]);
    expect([code, stdout]).toEqual([125, '']);
    expect(stderr).toContain('it ended without one');
  });
});

describe('blixard job artifacts', () => {
  it('lists them, prints one and saves them', async () => {
    const id = await toldJob();
    const listed = await blixard(['job', 'artifacts', id]);
    expect(listed.stdout).toMatch(/^NAME +SIZE.*\na\/b +1 B.*\nreport.txt +8 B.*\n$/);
    const json = await blixard(['job', 'artifacts', id, '-o', 'json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      artifacts: [{ name: 'a/b', size: 1 }, { name: 'report.txt' }],
    });
    expect((await blixard(['job', 'artifacts', id, 'report.txt'])).stdout).toBe('all fine');
    const saved = await blixard(['job', 'artifacts', id, '--to', dir]);
    expect(saved.stdout).toBe(`${join(dir, 'a/b')}\n${join(dir, 'report.txt')}\n`);
    expect(await readFile(join(dir, 'a/b'), 'utf8')).toBe('x');
    await blixard(['job', 'artifacts', id, 'a/b', '--to', join(dir, 'one')]);
    expect(await readFile(join(dir, 'one'), 'utf8')).toBe('x');
    await blixard(['job', 'artifacts', id, 'a/b', '--to', dir]);
    expect((await readdir(dir)).sort()).toEqual(['a', 'b', 'one', 'report.txt']);
  });

  it('says when there is none of that name, or not yet', async () => {
    const none = await blixard(['job', 'artifacts', await toldJob(), 'other']);
    expect(none.code).toBe(125);
    expect(none.stderr).toContain('has no artifact other');
    const running = await world.submit(['sleep', '60000']);
    expect((await blixard(['job', 'artifacts', running.id])).stderr).toContain('has not ended');
  });

  it('saves nothing outside of the folder, and nothing that is not whole, whatever a server says', async () => {
    const id = await toldJob();
    const real = appTransport(world.app);
    for (const [from, to] of [
      ['report.txt', '../evil.txt'],
      [/"sha256":"[0-9a-f]{64}"/g, `"sha256":"${'0'.repeat(64)}"`],
    ] as const) {
      // Without `call`, so that all goes through `send`.
      const lying: Transport = {
        url: real.url,
        close: () => real.close(),
        send: async (request) => {
          const response = await real.send(request);
          if (!request.path.endsWith('/artifacts')) return response;
          const chunks: Buffer[] = [];
          for await (const chunk of response.body) chunks.push(chunk as Buffer);
          const text = Buffer.concat(chunks).toString().replace(from, to);
          return { ...response, body: Readable.from([Buffer.from(text)]) };
        },
      };
      const { code, stderr } = await blixard(
        ['job', 'artifacts', id, '--to', join(dir, 'in')],
        undefined,
        lying,
      );
      expect(code).toBe(125);
      expect(stderr).toContain('is not kept');
    }
    expect(await readdir(dir)).toEqual(['in']);
    expect(
      (await readdir(join(dir, 'in'), { recursive: true })).filter((file) => file.includes('evil')),
    ).toEqual([]);
  });
});

describe('blixard job get', () => {
  it('shows progress, result and artifacts', async () => {
    const { stdout } = await blixard(['job', 'get', await toldJob()]);
    expect(stdout).toMatch(/^progress +100 % done$/m);
    expect(stdout).toMatch(/^result +\{"score": 7\}$/m);
    expect(stdout).toMatch(/^artifacts +2, 9 B: blixard job artifacts/m);
  });
});

describe('blixard run', () => {
  it('asks for artifacts and inputs', async () => {
    const parent = await toldJob();
    const flags = ['--artifact', '/out', '--artifact', '/var/log/x', '--input', parent];
    const { code, stdout } = await blixard(['run', ...flags, '--', 'input', `${parent}/result.json`]);
    expect([code, stdout]).toEqual([0, '{"score": 7}']);
    const { jobs } = await world.client.call('listJobs', { query: { limit: 1 } });
    expect(jobs[0]?.spec).toMatchObject({ artifacts: ['/out', '/var/log/x'], inputs: [parent] });
  });

  it('takes the start of an id for an input, as for any other job, and says when there is no such job', async () => {
    const parent = await toldJob();
    const start = parent.slice(0, -1).toUpperCase();
    const { code, stdout } = await blixard(['run', '--input', start, '--', 'input', `${parent}/result.json`]);
    expect([code, stdout]).toEqual([0, '{"score": 7}']);
    const none = await blixard(['run', '--input', '0197f2c4', '--', 'true']);
    expect(none.stderr).toContain('There is no job 0197f2c4.');
    const { stderr } = await blixard(['run', '--input', 'build', '--', 'true']);
    expect(stderr).toContain('build: it must be the id of a job, or the start of one');
  });

  it('shows progress to a person, and to nobody else', async () => {
    const command = ['run', '--', 'sleep', '200', ';', 'progress', '40', 'compiling', ';', 'sleep', '300'];
    const watched = await blixard(command, new TestTerminal({ tty: true }));
    expect(watched.stderr).toContain('blixard: 40 % compiling\n');
    expect((await blixard(command)).stderr).toBe('');
  });

  it('says what was not kept', async () => {
    const { code, stderr } = await blixard(['run', '--', 'result', '{oops']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^blixard: job [0-9a-f-]{36}: It is no JSON in UTF-8/);
  });
});
