import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appTransport } from '../control/http/app-transport.ts';
import { startTestSystem, type TestSystem } from '../control/http/test-system.suite.ts';
import { FakeClock } from '../platform/clock.ts';
import { CliScene } from './cli-scene.suite.ts';

let system: TestSystem;
beforeEach(async () => {
  system = await startTestSystem({ clock: new FakeClock(Date.parse('2026-03-27T12:00:00Z')) });
});
afterEach(() => system.close());

const call = async (...args: readonly string[]) => {
  const scene = new CliScene({ transport: () => appTransport(system.app), env: { TZ: 'America/New_York' } });
  const code = await scene.run('schedule', ...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
};

const setNightly = (...flags: readonly string[]) =>
  call('set', 'nightly', '--cron', '30 2 * * *', '--tz', 'Europe/Berlin', ...flags, '--', 'backup', '--all');

describe('blixard schedule', () => {
  it('set tells the next slots in the zone of the schedule and in mine', async () => {
    const { code, stdout } = await setNightly('-m', '512m', '-e', 'A=1', '--overlap', 'skip');
    expect(code).toBe(0);
    expect(stdout).toContain('next      2026-03-28 02:30:00 Europe/Berlin, here 2026-03-27 21:30:00\n');
    expect(stdout).toContain('          2026-03-29 03:00:00 Europe/Berlin, here 2026-03-28 21:00:00\n');
    expect(stdout).toMatch(/^command +backup --all$/m);
    expect(stdout).toMatch(/^overlap +skip$/m);
    const { stdout: json } = await call('get', 'nightly', '-o', 'json');
    expect(JSON.parse(json)).toMatchObject({
      job: { command: ['backup', '--all'], memoryMiB: 512, env: { A: '1' } },
    });
  });

  it('set again changes it, with a version only that one', async () => {
    await setNightly();
    const { stdout } = await setNightly('--catch-up', 'all', '--catch-up-max', '5');
    expect(stdout).toMatch(/^catch-up +all, 5 at most$/m);
    expect(stdout).toMatch(/^version +2$/m);
    const { code, stderr } = await setNightly('--if-version', '1');
    expect([code, stderr]).toEqual([125, expect.stringContaining('has version 2, not 1.\nhint: ')]);
  });

  it('set takes what a job may have, as run does', async () => {
    const flags = [
      '--priority',
      '9',
      '--label',
      'team=a',
      '--retry',
      'exit=3',
      '--expire-in',
      '1h',
      '--tenant',
      'a',
    ];
    await setNightly(...flags, '--unique', 'k', '--group', 'nights', '--paused');
    const schedule = JSON.parse((await call('get', 'nightly', '-o', 'json')).stdout);
    expect(schedule.paused).toBe(true);
    expect(schedule.job).toMatchObject({
      ...{ priority: 9, labels: { team: 'a' }, retry: { exit: { attemptsMax: 3 } }, expireInMs: 3_600_000 },
      ...{ tenant: 'a', unique: { key: 'k' }, group: 'nights' },
    });
  });

  it('trigger with a key gives the same job again', async () => {
    await setNightly();
    const trigger = () => call('trigger', 'nightly', '--idempotency-key', 'k');
    expect((await trigger()).stdout).toBe((await trigger()).stdout);
    expect((await call('get', 'nightly')).stdout).toMatch(/^runs +1 fired, /m);
    expect((await call('trigger', 'nightly', '--idempotency-key', 'a b')).stderr).toMatch(
      /^blixard: --idempotency-key: idempotency-key is "a b"; allowed: visible .*\nhint: blixard schedule trigger /,
    );
  });

  it.each([
    [['--tz', 'UTC'], "blixard: --cron is missing, for example --cron '0 3 * * *'\nhint: "],
    [
      ['--cron', '60 * * * *'],
      'blixard: --cron: cron is "60 * * * *"; allowed: minute hour day month weekday',
    ],
    [['--cron', '* * * * *', '--tz', 'paris'], 'did you mean Europe/Paris?'],
    [['--cron', '* * * * *', '--catch-up', 'some'], 'Allowed choices are none, one, all.'],
    [['--cron', '* * * * *', '--catch-up-max', 'x'], '--catch-up-max'],
  ])('set %j is refused with what is allowed', async (flags, problem) => {
    const { code, stdout, stderr } = await call('set', 'x', ...flags, '--', 'true');
    expect([code, stdout]).toEqual([125, '']);
    expect(stderr).toContain(problem);
  });

  it('trigger prints the id of the job, and get shows the run', async () => {
    await setNightly();
    const { stdout } = await call('trigger', 'nightly');
    expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await call('get', 'nightly')).stdout).toMatch(
      new RegExp(`^\\S+ +fired \\(triggered\\) +${stdout.trim()}$`, 'm'),
    );
  });

  it('pause, resume and rm say what comes of it', async () => {
    await setNightly();
    expect((await call('pause', 'nightly')).stdout).toBe('nightly  paused\n');
    expect((await call('ls')).stdout).toMatch(/^nightly +30 2 \* \* \* +paused +0 +0 +0 +backup --all$/m);
    expect((await call('get', 'nightly')).stdout).toMatch(/^state +paused$/m);
    expect((await call('resume', 'nightly')).stdout).toBe(
      'nightly  next 2026-03-28 02:30:00 Europe/Berlin\n',
    );
    expect((await call('rm', 'nightly')).stdout).toBe('nightly  removed\n');
    const { code, stderr } = await call('rm', 'nightly');
    expect([code, stderr]).toEqual([
      125,
      'blixard: There is no schedule nightly.\nhint: blixard schedule ls shows all schedules.\n',
    ]);
  });

  it('ls gives pages', async () => {
    await call('set', 'a', '--cron', '@daily', '--', 'true');
    await call('set', 'b', '--cron', '@daily', '--', 'true');
    const { stdout, stderr } = await call('ls', '-n', '1');
    expect(stdout).toMatch(/^a +@daily +2026-03-28 00:00:00 UTC/m);
    const cursor = /there may be more: --cursor (\S+)/.exec(stderr)?.[1] ?? '';
    expect((await call('ls', '-n', '1', '--cursor', cursor)).stdout).toMatch(/^b /m);
  });

  it('ls does not say that there are more when its page is just full', async () => {
    await call('set', 'a', '--cron', '@daily', '--', 'true');
    const { stderr } = await call('ls', '-n', '1');
    expect(stderr).toMatch(/^(blixard: there may be more: .*\n)?$/);
  });
});
