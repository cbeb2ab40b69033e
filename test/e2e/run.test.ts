import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../src/domain/limits.ts';
import { type Process, Site, stillAlive, until, vmmsOf } from '../lib/system.ts';

describe('blixard run, in a real microVM', () => {
  let site: Site;
  let up: Process;
  beforeAll(async () => {
    site = await Site.make();
    up = await site.start('up', {
      BLIXARD_STOP_GRACE: '1s',
      BLIXARD_TEMPLATES: 'on',
      BLIXARD_POOL_TARGET: '0',
    });
  });
  afterAll(() => site.remove());

  const run = (args: readonly string[], options = {}): ReturnType<Site['cli']> =>
    site.cli(['run', ...args], options);

  it('prints the guest’s output, streams apart, and ends with its exit code', async () => {
    const result = await run(['--', 'sh', '-c', 'echo hello; uname -r; echo oops >&2; exit 3']);
    const [hello, kernel] = result.stdout.toString().split('\n');
    expect(hello).toBe('hello');
    expect(kernel).toMatch(/^\d+\.\d+\.\d+.*cloud-amd64$/);
    expect(result.stderr).toBe('oops\n');
    expect(result.code).toBe(3);
  });

  it('runs on a kernel of its own, with the memory asked for', async () => {
    const result = await run([
      '-m',
      '200',
      '--',
      'sh',
      '-c',
      'cat /proc/meminfo; cat /proc/1/comm; hostname',
    ]);
    const memoryKiB = Number(/MemTotal:\s+(\d+) kB/.exec(result.stdout.toString())?.[1]);
    expect(memoryKiB).toBeGreaterThan(140 * 1_024);
    expect(memoryKiB).toBeLessThan(200 * 1_024);
  });

  it('gives environment, working directory and standard input', async () => {
    const args = [
      '-i',
      '-e',
      'GREETING=good day',
      '-w',
      '/tmp',
      '--',
      'sh',
      '-c',
      'echo "$GREETING"; pwd; cat',
    ];
    const result = await run(args, { stdin: 'from stdin' });
    expect(result.stdout.toString()).toBe('good day\n/tmp\nfrom stdin');
    expect(result.code).toBe(0);
  });

  it.each([
    ['127 for a command that is not there', ['no-such-command'], 127],
    ['126 for one that cannot be executed', ['/etc/passwd'], 126],
    ['128 + n for one that a signal ended', ['sh', '-c', 'kill -9 $$'], 137],
  ])('ends with %s', async (_what, command, code) => {
    expect((await run(['--', ...command])).code).toBe(code);
  });

  it('ends with 124 when the command runs longer than its timeout, also when it ignores SIGTERM', async () => {
    const result = await run([
      '--timeout',
      '1s',
      '--',
      'sh',
      '-c',
      'trap "" TERM; echo started; while :; do sleep 1; done',
    ]);
    expect(result.stdout.toString()).toBe('started\n');
    expect(result.code).toBe(124);
  });

  it('passes any bytes through unchanged', async () => {
    const everyByte = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done';
    const script = `${everyByte}; head -c 300000 /dev/urandom | tee /tmp/x; sha256sum < /tmp/x >&2`;
    const result = await run(['--', 'sh', '-c', script]);
    expect([...result.stdout.subarray(0, 256)]).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
    const random = result.stdout.subarray(256);
    expect(random.length).toBe(300_000);
    expect(result.stderr).toContain(createHash('sha256').update(random).digest('hex'));
  });

  it('says that the command used too much memory', async () => {
    const result = await run(['--', 'sh', '-c', 'tail /dev/zero']);
    expect(result.code).toBe(137);
    const listed = await site.cli(['job', 'ls', '-o', 'json']);
    const [newest] = (JSON.parse(listed.stdout.toString()) as { jobs: { reason: string }[] }).jobs;
    expect(newest?.reason).toBe('oom');
  });

  it('cancels on Ctrl-C and waits for the end', async () => {
    const running = site.spawn(['run', '--', 'sh', '-c', 'echo started; sleep 1000']);
    await until('the job runs', async () => running.output.includes('started'));
    expect(await running.end('SIGINT')).toBe(130);
    const { jobs } = await site.client().call('listJobs', { query: { limit: 1 } });
    expect(jobs[0]).toMatchObject({ state: 'cancelled', reason: 'cancelled' });
  });

  it('detached prints only the id; logs -f streams to the end; get, ls and retry know it', async () => {
    const started = await run([
      '-d',
      '--',
      'sh',
      '-c',
      'for i in 1 2 3; do echo line $i; sleep 0.3; done; exit 4',
    ]);
    const id = started.stdout.toString().trim();
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const logs = await site.cli(['job', 'logs', '-f', id]);
    expect(logs.stdout.toString()).toBe('line 1\nline 2\nline 3\n');
    const got = JSON.parse((await site.cli(['job', 'get', id, '-o', 'json'])).stdout.toString());
    expect(got).toMatchObject({ id, state: 'failed', reason: 'exit', exitCode: 4 });
    expect((await site.cli(['job', 'retry', id])).code).toBe(0);
    const again = await until('the second attempt has ended', async () => {
      const job = await site.client().call('getJob', { params: { id }, query: { waitMs: 20_000 } });
      return job.attempt === 2 && job.state === 'failed' && job;
    });
    expect(again.exitCode).toBe(4);
  });

  it('leaves no VM behind but spares, and stops cleanly on SIGTERM', async () => {
    const client = site.client();
    await until('no VM of a job is left', async () => {
      const { vms } = await client.call('listVms');
      return vms.every(({ use, state }) => use === 'pool' && state === 'starting');
    });
    await client.close();
    const vmms = await vmmsOf(up.pid);
    expect(vmms.length).toBeLessThanOrEqual(limits.sparesMax);
    expect(await up.end('SIGTERM')).toBe(0);
    expect(await stillAlive(vmms)).toEqual([]);
    expect(await readdir(join(site.dataDir, 'vms'))).toEqual([]);
  });
});
