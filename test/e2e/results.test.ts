import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Process, Site, until } from '../lib/system.ts';

/** What a user would write: progress as it goes, a report, a large file, a result. */
const build = `
echo '10 fetching' > $BLIXARD_PROGRESS
head -c 5000000 /dev/urandom > $BLIXARD_ARTIFACTS/app.bin
sha256sum < $BLIXARD_ARTIFACTS/app.bin | cut -c 1-64
sleep 2
echo '60% testing' > $BLIXARD_PROGRESS
mkdir -p $BLIXARD_ARTIFACTS/reports /out/sub
echo 'all 128 passed' > $BLIXARD_ARTIFACTS/reports/test.txt
echo 'from the spec' > /out/sub/extra.txt
ln -s /etc/passwd $BLIXARD_ARTIFACTS/link
echo '{"passed": 128}' > $BLIXARD_RESULT
echo '100 done' > $BLIXARD_PROGRESS`;

describe('what a job tells, from inside a real microVM', () => {
  let site: Site;
  let up: Process;
  let dir: string;
  let id: string;
  let hash: string;
  beforeAll(async () => {
    site = await Site.makeMeasured();
    dir = await mkdtemp(join(tmpdir(), 'blixard-results-'));
    up = await site.start('up');
  });
  afterAll(async () => {
    await site.remove();
    await rm(dir, { recursive: true });
  });

  it('progress is seen while it runs', async () => {
    const started = await site.cli([
      'run',
      '-d',
      '-u',
      '1000',
      '-w',
      '/tmp',
      '--artifact',
      '/tmp/out',
      '--',
      'sh',
      '-c',
      build.replaceAll('/out', '/tmp/out'),
    ]);
    id = started.stdout.toString().trim();
    const client = site.client();
    const running = await until('it tells its progress', async () => {
      const job = await client.call('getJob', { params: { id } });
      return job.progress !== null && job;
    });
    expect(running.progress).toMatchObject({ percent: 10, message: 'fetching' });
    expect(running.state).toBe('running');
    const logs = await site.cli(['job', 'logs', '-f', id]);
    hash = logs.stdout.toString().trim();
    const ended = await client.call('getJob', { params: { id } });
    expect(ended).toMatchObject({ state: 'completed', progress: { percent: 100, message: 'done' } });
    expect(ended.message).toContain('link: a symbolic link is not collected');
    await client.close();
  });

  it('result and artifacts are what the job wrote', async () => {
    expect(JSON.parse((await site.cli(['job', 'result', id])).stdout.toString())).toEqual({ passed: 128 });
    const listed = await site.cli(['job', 'artifacts', id, '-o', 'json']);
    const { artifacts } = JSON.parse(listed.stdout.toString()) as {
      artifacts: { name: string; size: number; sha256: string }[];
    };
    expect(artifacts.map(({ name, size }) => [name, size])).toEqual([
      ['app.bin', 5_000_000],
      ['out/sub/extra.txt', 14],
      ['reports/test.txt', 15],
    ]);
    expect(artifacts[0]?.sha256).toBe(hash);
    expect((await site.cli(['job', 'artifacts', id, '--to', dir])).code).toBe(0);
    expect(
      createHash('sha256')
        .update(await readFile(join(dir, 'app.bin')))
        .digest('hex'),
    ).toBe(hash);
    expect(await readFile(join(dir, 'reports/test.txt'), 'utf8')).toBe('all 128 passed\n');
  });

  it('another job uses them, also after a restart', async () => {
    await up.end('SIGTERM');
    up = await site.start('up');
    const files = 'result.json artifacts/out/sub/extra.txt';
    const script = `cd $BLIXARD_INPUTS/${id}; cat ${files}; sha256sum < artifacts/app.bin`;
    const child = await site.cli(['run', '--input', id, '-u', '1000', '-w', '/', '--', 'sh', '-c', script]);
    expect(child.stdout.toString()).toBe(`{"passed": 128}\nfrom the spec\n${hash}  -\n`);
    expect(child.code).toBe(0);
  });

  it('a job that ends badly keeps what it left, and says what was dropped', async () => {
    const script = 'echo kept > $BLIXARD_ARTIFACTS/a; echo "{oops" > $BLIXARD_RESULT; exit 3';
    const failed = await site.cli(['run', '--', 'sh', '-c', script]);
    expect(failed.code).toBe(3);
    expect(failed.stderr).toContain('result dropped: It is no JSON in UTF-8');
    const { jobs } = await site.client().call('listJobs', { query: { limit: 1 } });
    expect((await site.cli(['job', 'artifacts', jobs[0]?.id ?? '', 'a'])).stdout.toString()).toBe('kept\n');
  });
});
