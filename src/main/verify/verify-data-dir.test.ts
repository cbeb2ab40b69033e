import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeLogRecord } from '../../contract/log.ts';
import { segmentName } from '../../control/logs/segment.ts';
import { uuidV7 } from '../../domain/ids.ts';
import { identify } from '../../hypervisor/process-table.ts';
import { type Clock, realClock } from '../../platform/clock.ts';
import { lockDirectory } from '../../platform/directory-lock.ts';
import { silentLog } from '../../platform/log.ts';
import { makeIds, realRandom } from '../../platform/random.ts';
import { migrate } from '../../store/migrate.ts';
import { loadMigrations } from '../../store/migration-files.ts';
import { openSnapshot } from '../../store/sqlite/snapshot.ts';
import { openSqlite, type SqliteDatabase } from '../../store/sqlite/sqlite.ts';
import { tellClaimed } from '../../store/statements/claimed.ts';
import { forgetJob } from '../../store/statements/forget.ts';
import { insertJob, insertJobData, startAttempt } from '../../store/statements/jobs.ts';
import { claimJobs, completeAttempts } from '../../store/statements/work.ts';
import { registerWorker } from '../../store/statements/workers.ts';
import { Findings, violationLines } from '../../store/verify/findings.ts';
import { verifyEffects } from './effects.ts';
import { verifyDataDir } from './verify-data-dir.ts';

const ids = makeIds(realClock, realRandom);
const impatient: Clock = { ...realClock, after: (_ms, fire) => realClock.after(0, fire) };
const job = {
  ...{ queue: 'q', executor: 'e', image: 'i', attemptsMax: 1, nowMs: 1 },
  ...{ state: 'pending' as const, priority: 0, runAtMs: 1, expiresAtMs: null, tenant: 'default' },
  ...{ idempotencyKey: null, uniqueKey: null, concurrencyKey: null, groupName: null },
  ...{ after: null, afterFailed: null },
};
const holder = { workerId: 'w', generation: 1 };

describe('verifyDataDir', () => {
  let dataDir: string;
  let db: SqliteDatabase;
  const completed = ids();
  const running = ids();
  const forgotten = ids();

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'blixard-verify-'));
    db = await openSqlite({ file: join(dataDir, 'blixard.db'), clock: realClock, log: silentLog });
    await migrate(db, await loadMigrations(), 1);
    const worker = { id: 'w', name: 'n', version: 'v', pid: 1, slots: 9, nowMs: 1, leaseUntilMs: 9 };
    const done = (id: string): string => JSON.stringify([[id, 1, null, null, null, null]]);
    const claim = { ...holder, token: 't', want: 9, nowMs: 2 };
    await db.batch([
      registerWorker.with({
        ...{ ...worker, registration: null, queues: '["q"]' },
        executors: '[{"name":"e","unavailable":null}]',
      }),
      ...[completed, running, forgotten].flatMap((id) => [
        insertJob.with({ ...job, id }),
        insertJobData.with({ id, spec: '{}' }),
      ]),
      claimJobs.with(claim),
      tellClaimed.with(claim),
      ...[completed, running, forgotten].map((id) =>
        startAttempt.with({ ...holder, id, attempt: 1, nowMs: 3 }),
      ),
      completeAttempts.with({ ...holder, attempts: done(completed), nowMs: 4 }),
      completeAttempts.with({ ...holder, attempts: done(forgotten), nowMs: 4 }),
      forgetJob.with({ id: forgotten, nowMs: 5 }),
    ]);
  });

  afterEach(async () => {
    await db.close();
    await rm(dataDir, { recursive: true });
  });

  const lines = async (files: { effects?: string; accepted?: string } = {}): Promise<string[]> =>
    violationLines(await verifyDataDir({ dataDir, clock: impatient, ...files }));
  const write = async (path: string, contents: string | Buffer): Promise<string> => {
    const file = join(dataDir, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, contents);
    return file;
  };
  const vm = (id: string, vmm: object | null): Promise<string> =>
    write(`vms/${id}/vm.json`, JSON.stringify({ id, vmm }));

  it('finds a sound directory sound, in use and closed, and says what it looked at', async () => {
    const findings = await verifyDataDir({ dataDir, clock: impatient });
    expect(findings.map(({ invariant, result }) => `${invariant} ${result}`)).toEqual([
      ...['I1 ok', 'I2 ok', 'I3 ok', 'I4 ok', 'I5 ok', 'I6 unchecked', 'I7 ok', 'I8 ok', 'I9 ok', 'store ok'],
    ]);
    expect(findings.find(({ invariant }) => invariant === 'I2')?.looked).toEqual({ jobs: 2 });
    await db.close();
    expect(await lines()).toEqual([]);
  });

  it('sees one state of the store, however it goes on', async () => {
    const snapshot = await openSnapshot(join(dataDir, 'blixard.db'));
    const count = async (): Promise<unknown> =>
      (await snapshot.query({ sql: 'SELECT count(*) AS n FROM jobs' }))[0];
    expect(await count()).toEqual({ n: 2 });
    await db.batch([insertJob.with({ ...job, id: ids() })]);
    expect(await count()).toEqual({ n: 2 });
    snapshot.renew();
    expect(await count()).toEqual({ n: 3 });
    snapshot.close();
  });

  it('takes side effects of started attempts once each, also of jobs since forgotten', async () => {
    const effects = await write('effects', `${completed} 1\n${running} 1\n${forgotten} 1\n`);
    expect(await lines({ effects })).toEqual([]);
  });

  it('finds side effects that happened twice, or of attempts that were not, and lines it cannot read', async () => {
    const effects = await write('effects', `${completed} 1\n${running} 2\nwhat\n${completed} 1\n`);
    expect(await lines({ effects })).toEqual([
      `I6: an attempt that was never started had a side effect: ${running} 2`,
      'I6: a line is not "jobId attempt": what',
      `I6: an attempt had its side effect more than once: ${completed} 1`,
    ]);
  });

  it('finds them in a file too long to be remembered at once', async () => {
    const other = Array.from({ length: 500 }, (_, n) => `${forgotten} ${n + 1}\n`).join('');
    const file = await write('effects', `${completed} 1\n${other}${completed} 1\n`);
    const store = await openSnapshot(join(dataDir, 'blixard.db'));
    const found = new Findings();
    await verifyEffects(file, store, found, 1_000);
    store.close();
    expect(violationLines(found.all())).toEqual([
      `I6: an attempt had its side effect more than once: ${completed} 1`,
    ]);
    expect(found.all().find(({ invariant }) => invariant === 'I6')?.looked).toEqual({ 'side effects': 502 });
  });

  it('finds an answered submit whose job is not there', async () => {
    const lost = ids();
    const accepted = await write('accepted', `${completed}\n${forgotten}\n${lost}\n`);
    expect(await lines({ accepted })).toEqual([
      `I1: a submit was answered and its job is not there: ${lost}`,
    ]);
  });

  it('refuses files of the caller that cannot be read as a wrong call', async () => {
    for (const name of ['accepted', 'effects'])
      await expect(lines({ [name]: join(dataDir, 'none') })).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining(`--${name} ${join(dataDir, 'none')}: ENOENT`),
      });
    await expect(lines({ accepted: dataDir })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('takes what is older than all events that are kept for forgotten, and nothing younger', async () => {
    const [old, young] = [uuidV7(4, realRandom.bytes(10)), uuidV7(6, realRandom.bytes(10))];
    const accepted = await write('accepted', `${old}\n${young}\n`);
    const effects = await write('effects', `${old} 1\n${young} 1\n`);
    expect(await lines({ accepted, effects })).toHaveLength(4);
    await db.batch([{ sql: 'DELETE FROM events WHERE seq < (SELECT max(seq) FROM events)' }]);
    expect((await lines({ accepted, effects })).sort()).toEqual([
      `I1: a submit was answered and its job is not there: ${young}`,
      `I6: an attempt that was never started had a side effect: ${young} 1`,
    ]);
  });

  it('finds logs that nothing owns, and damaged ones', async () => {
    const name = segmentName({ start: 0, outputStart: 0 });
    const record = encodeLogRecord({ stream: 'stdout', atMs: 1, data: Buffer.from('x') });
    await write(`logs/${completed}/1/${name}`, record);
    // Its removal is written down and may still be under way; so is an upload cut off in the middle.
    await write(`logs/${forgotten}/1/${name}`, record);
    await write(`logs/${running}/1/${name}`, Buffer.concat([record, record.subarray(0, 3)]));
    expect(await lines()).toEqual([]);
    const stranger = ids();
    await write(`logs/${stranger}/1/${name}`, record);
    await write(`logs/${completed}/2/${name}`, record);
    await write(`logs/${completed}/1/notes`, 'x');
    await write('logs/readme', 'x');
    await write(`logs/${running}/1/${name}`, Buffer.alloc(100, 0xff));
    expect((await lines()).sort()).toEqual([
      `I7: a log belongs to no attempt: job ${completed}, attempt 2 of 1`,
      `I7: a log belongs to no job: job ${stranger}`,
      `I7: a log is damaged: job ${running}, attempt 1: ${name}`,
      `I7: something among the logs is no log: readme`,
      `I7: something in a log is no part of it: job ${completed}, attempt 1: notes`,
    ]);
  });

  it('finds artifacts that nothing owns', async () => {
    const name = '0123456789abcdef'.repeat(4);
    await write(`artifacts/${completed}/1/${name}`, 'x');
    await write(`artifacts/${forgotten}/1/${name}`, 'x');
    expect(await lines()).toEqual([]);
    const stranger = ids();
    await write(`artifacts/${stranger}/1/${name}`, 'x');
    await write(`artifacts/${completed}/2/${name}`, 'x');
    await write(`artifacts/${completed}/1/notes`, 'x');
    expect((await lines()).sort()).toEqual([
      `I7: an artifact belongs to no attempt: job ${completed}, attempt 2 of 1`,
      `I7: an artifact belongs to no job: job ${stranger}`,
      `I7: something among artifacts is none: job ${completed}, attempt 1: notes`,
    ]);
  });

  it('finds VMs and their folders where no worker runs', async () => {
    const [dead, alive] = [ids(), ids()];
    await vm(dead, { pid: 1, startTicks: 7 });
    await vm(alive, identify(process.pid) ?? null);
    expect((await lines()).sort()).toEqual([
      `I7: a VM has left its folder: ${dead}`,
      `I7: a VM runs although its worker is gone: ${alive}, process ${process.pid}`,
    ]);
  });

  it('leaves the VMs of a worker that runs alone, but for the folder of one that has ended', async () => {
    const [dead, alive, starting] = [ids(), ids(), ids()];
    await vm(dead, { pid: 1, startTicks: 7 });
    await vm(alive, identify(process.pid) ?? null);
    await vm(starting, null);
    const lock = await lockDirectory(join(dataDir, 'vms'), 'vms');
    expect(await lines()).toEqual([`I7: a VM has ended and its worker keeps its folder: ${dead}`]);
    await lock?.release();
  });

  it('refuses a directory without a store as a wrong call, and one of another program', async () => {
    await expect(verifyDataDir({ dataDir: join(dataDir, 'none'), clock: realClock })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(`no store ${join(dataDir, 'none', 'blixard.db')}`),
    });
    await db.batch([{ sql: 'DELETE FROM schema_version WHERE version > 2' }]);
    await expect(lines()).rejects.toMatchObject({ code: 'STORE_TOO_OLD', details: { found: 2 } });
  });
});
