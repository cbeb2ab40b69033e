/** Artifacts over HTTP, sent by a worker and asked for by users. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { sha256, TellScene } from './tell-scene.suite.ts';

let scene: TellScene;
beforeEach(async () => {
  scene = await TellScene.open();
});
afterEach(() => scene.close());

describe('artifacts', () => {
  it('come in parts and are given whole, or in ranges, when their attempt has ended', async () => {
    const job = await scene.started();
    const bytes = randomBytes(2_500_000);
    const cut = limits.artifactUploadBytes;
    expect(await scene.part(job, 'out/a b.bin', 0, bytes.subarray(0, cut))).toBe(cut);
    expect(await scene.part(job, 'out/a b.bin', cut, bytes.subarray(cut, 2 * cut))).toBe(2 * cut);
    expect(await scene.part(job, 'out/a b.bin', 2 * cut, bytes.subarray(2 * cut), bytes)).toBe(bytes.length);
    await scene.part(job, 'empty', 0, Buffer.alloc(0), Buffer.alloc(0));
    expect(await scene.list(job.jobId)).toEqual({
      jobId: job.jobId,
      attempt: 1,
      ended: false,
      artifacts: [],
    });
    expect((await scene.ask(job.jobId, 'empty')).status).toBe(404);
    await scene.worker.end(job, 1);
    const { artifacts, ended } = await scene.list(job.jobId);
    expect(ended).toBe(true);
    expect(artifacts).toEqual([
      { name: 'empty', size: 0, sha256: sha256(Buffer.alloc(0)) },
      { name: 'out/a b.bin', size: bytes.length, sha256: sha256(bytes) },
    ]);
    expect((await scene.download(job.jobId, 'out/a b.bin')).equals(bytes)).toBe(true);
    expect((await scene.download(job.jobId, 'out/a b.bin', { offset: 9 })).equals(bytes.subarray(9))).toBe(
      true,
    );
    expect((await scene.download(job.jobId, 'empty')).length).toBe(0);
    await expect(scene.download(job.jobId, 'none')).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' });
  });

  it('are served as HTTP has it: ranges, HEAD, and never as a page', async () => {
    const job = await scene.started();
    const bytes = Buffer.from('<script>0123456789</script>');
    await scene.part(job, 'index.html', 0, bytes, bytes);
    await scene.worker.end(job, 0);
    const whole = await scene.ask(job.jobId, 'index.html');
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': "attachment; filename*=UTF-8''index.html",
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'content-length': String(bytes.length),
      etag: `"${sha256(bytes)}"`,
    });
    const ranges: [string, number, string, string][] = [
      ['bytes=0-4', 206, '<scri', 'bytes 0-4/27'],
      ['bytes=18-', 206, '</script>', 'bytes 18-26/27'],
      ['bytes=-3', 206, 'pt>', 'bytes 24-26/27'],
      ['bytes=20-999', 206, 'script>', 'bytes 20-26/27'],
      ['bytes=-999', 206, bytes.toString(), 'bytes 0-26/27'],
    ];
    for (const [range, status, text, contentRange] of ranges) {
      const response = await scene.ask(job.jobId, 'index.html', { range });
      expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
        ...[status, text, contentRange],
      ]);
    }
    for (const range of ['bytes=0-1,3-4', 'bytes=4-2', 'lines=1-2', 'bytes=-', 'bytes=x-y']) {
      expect((await scene.ask(job.jobId, 'index.html', { range })).status).toBe(200);
    }
    for (const range of ['bytes=27-', 'bytes=99-100', 'bytes=-0']) {
      const response = await scene.ask(job.jobId, 'index.html', { range });
      expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */27']);
    }
    // A download that goes on must not join the halves of two files: attempts have files of the same name.
    for (const [etag, status] of [
      [`"${sha256(bytes)}"`, 206] as const,
      [`"${sha256(Buffer.from('other'))}"`, 200] as const,
    ]) {
      const asked = { range: 'bytes=0-4', 'if-range': etag };
      expect((await scene.ask(job.jobId, 'index.html', asked)).status).toBe(status);
    }
    const head = await scene.ask(job.jobId, 'index.html', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '27', '']);
  });

  it('may be sent again, and go on where they were after a restart', async () => {
    const job = await scene.started();
    const bytes = randomBytes(1_000);
    await scene.part(job, 'a', 0, bytes.subarray(0, 600));
    expect(await scene.part(job, 'a', 0, bytes.subarray(0, 600))).toBe(600);
    await scene.system.deps.artifacts.close();
    expect(await scene.part(job, 'a', 500, bytes.subarray(500, 700))).toBe(700);
    await expect(scene.part(job, 'a', 701, bytes.subarray(701))).rejects.toMatchObject({
      code: 'ARTIFACT_OFFSET_MISMATCH',
      details: { expectedOffset: 700 },
    });
    expect(await scene.part(job, 'a', 700, bytes.subarray(700), bytes)).toBe(1_000);
    expect(await scene.part(job, 'a', 700, bytes.subarray(700), bytes)).toBe(1_000);
    await scene.worker.end(job, 0);
    expect((await scene.download(job.jobId, 'a')).equals(bytes)).toBe(true);
  });

  it('that are not what was sent, or another of the same name, are not kept', async () => {
    const job = await scene.started();
    const bytes = Buffer.from('good');
    await expect(scene.part(job, 'a', 0, bytes, Buffer.from('evil'))).rejects.toThrow(
      'not those its worker sent',
    );
    expect(await scene.part(job, 'a', 0, bytes, bytes)).toBe(4);
    await expect(scene.part(job, 'a', 0, Buffer.from('evil'), Buffer.from('evil'))).rejects.toMatchObject({
      code: 'ARTIFACT_REFUSED',
    });
    await scene.worker.end(job, 0);
    expect((await scene.download(job.jobId, 'a')).toString()).toBe('good');
  });

  it('have names that stay names', async () => {
    const job = await scene.started();
    for (const name of ['../../../etc/passwd', '/etc/passwd', 'a/../b', 'a\nb', 'ü'.repeat(200), '']) {
      await expect(scene.part(job, name, 0, Buffer.from('x'))).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
      });
    }
    await scene.part(job, '..hidden/ü\\"%00', 0, Buffer.from('x'), Buffer.from('x'));
    const [folder = ''] = await readdir(join(scene.system.dir, 'artifacts', job.jobId));
    const files = await readdir(join(scene.system.dir, 'artifacts', job.jobId, folder));
    expect(files.every((file) => /^[0-9a-f]{64}$/.test(file))).toBe(true);
    await scene.worker.end(job, 0);
    expect((await scene.download(job.jobId, '..hidden/ü\\"%00')).toString()).toBe('x');
  });

  it('are refused from who does not hold the attempt', async () => {
    const job = await scene.started();
    await scene.worker.end(job, 0);
    await expect(scene.part(job, 'late', 0, Buffer.from('x'))).rejects.toMatchObject({ code: 'FENCED' });
  });

  it('are no more than an attempt may have', { timeout: 60_000 }, async () => {
    const job = await scene.started();
    const empty = Buffer.alloc(0);
    for (let n = 0; n < limits.artifactsMax; n += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => scene.part(job, `f${n + i}`, 0, empty, empty)));
    }
    await expect(scene.part(job, 'one more', 0, empty, empty)).rejects.toMatchObject({
      code: 'ARTIFACT_REFUSED',
    });
    await scene.worker.end(job, 0);
    expect((await scene.list(job.jobId)).artifacts.length).toBe(limits.artifactsMax);
  });

  it('whose last part is sent twice at once are kept once', async () => {
    const job = await scene.started();
    const bytes = Buffer.from('twice');
    const ends = await Promise.all([1, 2, 3, 4].map(() => scene.part(job, 'a', 0, bytes, bytes)));
    expect(ends).toEqual([5, 5, 5, 5]);
    await scene.worker.end(job, 0);
    expect((await scene.download(job.jobId, 'a')).equals(bytes)).toBe(true);
  });

  it('of each attempt stay apart', async () => {
    const job = await scene.started();
    await scene.part(job, 'a', 0, Buffer.from('first'), Buffer.from('first'));
    await scene.worker.end(job, 1);
    await scene.client.call('retryJob', { params: { id: job.jobId } });
    const again = await scene.worker.start();
    await scene.part(again, 'a', 0, Buffer.from('second'), Buffer.from('second'));
    expect((await scene.download(job.jobId, 'a', { attempt: 1 })).toString()).toBe('first');
    await scene.worker.end(again, 0);
    expect((await scene.download(job.jobId, 'a')).toString()).toBe('second');
    await expect(scene.download(job.jobId, 'a', { attempt: 3 })).rejects.toMatchObject({
      code: 'ATTEMPT_NOT_FOUND',
    });
  });

  it('of a job that ended before its first attempt are none, and nobody need wait for them', async () => {
    const body = { command: ['x'], delayMs: 60_000 };
    const { id } = await scene.client.call('submitJob', { body });
    expect(await scene.list(id)).toMatchObject({ attempt: 0, ended: false, artifacts: [] });
    await scene.client.call('cancelJob', { params: { id }, body: {} });
    expect(await scene.list(id)).toMatchObject({ attempt: 0, ended: true, artifacts: [] });
  });
});

it('all that a job told goes with it', async () => {
  const job = await scene.started();
  await scene.tell(job, 1, 'x');
  await scene.putResult(job, '1');
  await scene.part(job, 'a', 0, Buffer.from('x'), Buffer.from('x'));
  await scene.part(job, 'unfinished', 0, Buffer.from('x'));
  await scene.worker.write(job, 0, []);
  await scene.worker.end(job, 0);
  expect(await readdir(join(scene.system.dir, 'artifacts'))).toEqual([job.jobId]);
  await scene.client.call('removeJob', { params: { id: job.jobId } });
  expect(await readdir(join(scene.system.dir, 'artifacts'))).toEqual([]);
  expect(await readdir(join(scene.system.dir, 'logs')).catch(() => [])).toEqual([]);
  for (const table of ['job_progress', 'job_results', 'artifacts']) {
    const [row] = await scene.system.db.query({ sql: `SELECT count(*) AS n FROM ${table}`, args: [] });
    expect(row).toEqual({ n: 0 });
  }
});
