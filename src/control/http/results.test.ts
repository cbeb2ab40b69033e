/** What jobs tell, over HTTP: progress, result and artifacts, told by a worker and asked for by users. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { httpTransport } from '../../client/http-transport.ts';
import type { ClaimedJob } from '../../contract/worker.ts';
import { limits } from '../../domain/limits.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
let worker: TestWorker;

beforeEach(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
  worker = new TestWorker(client, system.ids);
  await worker.register();
});
afterEach(async () => {
  await client.close();
  await system.close();
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function started(): Promise<ClaimedJob> {
  await client.call('submitJob', { body: { command: ['x'] } });
  return await worker.start();
}

function holder(of = worker) {
  return { workerId: of.id, generation: of.generation };
}

function place({ jobId: id, attempt }: ClaimedJob) {
  return { params: { id, attempt } };
}

function tell(job: ClaimedJob, percent: number | null, message: string, of = worker) {
  return client.call('tellProgress', { ...place(job), body: { ...holder(of), percent, message } });
}

function putResult(job: ClaimedJob, text: string | Uint8Array) {
  return client.call('putResult', { ...place(job), query: holder(), body: Buffer.from(text) });
}

async function part(job: ClaimedJob, name: string, offset: number, bytes: Uint8Array, whole?: Uint8Array) {
  const sha = whole === undefined ? {} : { sha256: sha256(whole) };
  const query = { ...holder(), name, offset, ...sha };
  return (await client.call('putArtifact', { ...place(job), query, body: bytes })).endOffset;
}

const list = (id: string) => client.call('listArtifacts', { params: { id } });
const get = (id: string) => client.call('getJob', { params: { id } });

async function download(id: string, name: string, options = {}): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of client.downloadArtifact(id, name, options)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What curl would see. */
function ask(id: string, name: string, headers: Record<string, string> = {}, method = 'GET') {
  return fetch(`${system.url}/v1/jobs/${id}/artifacts/${encodeURIComponent(name)}`, { headers, method });
}

describe('progress', () => {
  it('shows in the job and as events, the newest counts', async () => {
    const job = await started();
    expect((await get(job.jobId)).progress).toBeNull();
    await tell(job, 40, 'compiling');
    expect((await get(job.jobId)).progress).toMatchObject({ percent: 40, message: 'compiling' });
    await tell(job, null, 'linking');
    expect((await get(job.jobId)).progress).toMatchObject({ percent: null, message: 'linking' });
    const { events } = await client.listEvents({ kind: 'job.progress' });
    expect(events.map(({ jobId, attempt, data }) => ({ jobId, attempt, data }))).toEqual([
      { jobId: job.jobId, attempt: 1, data: { percent: 40, message: 'compiling' } },
      { jobId: job.jobId, attempt: 1, data: { percent: null, message: 'linking' } },
    ]);
  });

  it('of an earlier attempt is not that of the next', async () => {
    const job = await started();
    await tell(job, 90, 'nearly');
    await worker.end(job, 1);
    expect((await get(job.jobId)).progress).toMatchObject({ percent: 90 });
    await client.call('retryJob', { params: { id: job.jobId } });
    const again = await worker.start();
    expect((await get(job.jobId)).progress).toBeNull();
    await tell(again, 5, 'anew');
    expect((await get(job.jobId)).progress).toMatchObject({ percent: 5 });
  });

  it('is refused from who does not hold the attempt, or holds it no more', async () => {
    const job = await started();
    const other = new TestWorker(client, system.ids);
    await other.register();
    await expect(tell(job, 1, '', other)).rejects.toMatchObject({ code: 'FENCED' });
    await worker.end(job, 0);
    await expect(tell(job, 1, '')).rejects.toMatchObject({ code: 'FENCED' });
  });

  it.each([
    [101, 'x'],
    [-1, 'x'],
    [1, 'x'.repeat(limits.progressMessageLength + 1)],
    [1, 'a\0b'],
  ])('of %j and %j is refused', async (percent, message) => {
    const job = await started();
    await expect(tell(job, percent, message)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('told very often makes a bounded number of events', { timeout: 60_000 }, async () => {
    const job = await started();
    for (let told = 0; told < limits.progressEvents + 20; told++) await tell(job, told % 100, '');
    expect(await countEvents()).toBe(limits.progressEvents);
    expect((await get(job.jobId)).progress).toMatchObject({ percent: (limits.progressEvents + 19) % 100 });
  });
});

async function countEvents(): Promise<number> {
  let count = 0;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await client.listEvents({ kind: 'job.progress', limit: 500, ...(cursor ? { cursor } : {}) });
    count += page.events.length;
    cursor = page.nextCursor;
  }
  return count;
}

describe('result', () => {
  it('is given as it was written, once the job has ended', async () => {
    const job = await started();
    const text = '{ "answer": 42,\n"big": 12345678901234567890 }';
    await putResult(job, text);
    await expect(client.readResult(job.jobId)).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' });
    await worker.end(job, 0);
    expect(await client.readResult(job.jobId)).toBe(text);
    const response = await fetch(`${system.url}/v1/jobs/${job.jobId}/result`);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toMatchObject({ answer: 42 });
  });

  it('is not there for a job that wrote none, also when an earlier attempt did', async () => {
    const job = await started();
    await putResult(job, '1');
    await worker.end(job, 1);
    expect(await client.readResult(job.jobId)).toBe('1');
    await client.call('retryJob', { params: { id: job.jobId } });
    await worker.end(await worker.start(), 1);
    await expect(client.readResult(job.jobId)).rejects.toThrow('it ended without one');
  });

  it.each([
    ['{', 'RESULT_INVALID'],
    ['', 'RESULT_INVALID'],
    [Buffer.from([0x22, 0xff, 0x22]), 'RESULT_INVALID'],
    [`"${'x'.repeat(limits.resultBytes)}"`, 'BODY_TOO_LARGE'],
  ])('refuses what is no JSON, or too large', async (text, code) => {
    await expect(putResult(await started(), text)).rejects.toMatchObject({ code });
  });

  it('takes the largest there may be, and any nesting', async () => {
    const job = await started();
    const depth = limits.resultBytes / 2;
    await putResult(job, '['.repeat(depth) + ']'.repeat(depth));
    await worker.end(job, 0);
    expect((await client.readResult(job.jobId)).length).toBe(limits.resultBytes);
  });
});

describe('artifacts', () => {
  it('come in parts and are given whole, or in ranges, when their attempt has ended', async () => {
    const job = await started();
    const bytes = randomBytes(2_500_000);
    const cut = limits.artifactUploadBytes;
    expect(await part(job, 'out/a b.bin', 0, bytes.subarray(0, cut))).toBe(cut);
    expect(await part(job, 'out/a b.bin', cut, bytes.subarray(cut, 2 * cut))).toBe(2 * cut);
    expect(await part(job, 'out/a b.bin', 2 * cut, bytes.subarray(2 * cut), bytes)).toBe(bytes.length);
    await part(job, 'empty', 0, Buffer.alloc(0), Buffer.alloc(0));
    expect(await list(job.jobId)).toEqual({ jobId: job.jobId, attempt: 1, ended: false, artifacts: [] });
    expect((await ask(job.jobId, 'empty')).status).toBe(404);
    await worker.end(job, 1);
    const { artifacts, ended } = await list(job.jobId);
    expect(ended).toBe(true);
    expect(artifacts).toEqual([
      { name: 'empty', size: 0, sha256: sha256(Buffer.alloc(0)) },
      { name: 'out/a b.bin', size: bytes.length, sha256: sha256(bytes) },
    ]);
    expect((await download(job.jobId, 'out/a b.bin')).equals(bytes)).toBe(true);
    expect((await download(job.jobId, 'out/a b.bin', { offset: 9 })).equals(bytes.subarray(9))).toBe(true);
    expect((await download(job.jobId, 'empty')).length).toBe(0);
    await expect(download(job.jobId, 'none')).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' });
  });

  it('are served as HTTP has it: ranges, HEAD, and never as a page', async () => {
    const job = await started();
    const bytes = Buffer.from('<script>0123456789</script>');
    await part(job, 'index.html', 0, bytes, bytes);
    await worker.end(job, 0);
    const whole = await ask(job.jobId, 'index.html');
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
      const response = await ask(job.jobId, 'index.html', { range });
      expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
        ...[status, text, contentRange],
      ]);
    }
    for (const range of ['bytes=0-1,3-4', 'bytes=4-2', 'lines=1-2', 'bytes=-', 'bytes=x-y']) {
      expect((await ask(job.jobId, 'index.html', { range })).status).toBe(200);
    }
    for (const range of ['bytes=27-', 'bytes=99-100', 'bytes=-0']) {
      const response = await ask(job.jobId, 'index.html', { range });
      expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */27']);
    }
    const head = await ask(job.jobId, 'index.html', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '27', '']);
  });

  it('may be sent again, and go on where they were after a restart', async () => {
    const job = await started();
    const bytes = randomBytes(1_000);
    await part(job, 'a', 0, bytes.subarray(0, 600));
    expect(await part(job, 'a', 0, bytes.subarray(0, 600))).toBe(600);
    await system.deps.artifacts.close();
    expect(await part(job, 'a', 500, bytes.subarray(500, 700))).toBe(700);
    await expect(part(job, 'a', 701, bytes.subarray(701))).rejects.toMatchObject({
      code: 'ARTIFACT_OFFSET_MISMATCH',
      details: { expectedOffset: 700 },
    });
    expect(await part(job, 'a', 700, bytes.subarray(700), bytes)).toBe(1_000);
    expect(await part(job, 'a', 700, bytes.subarray(700), bytes)).toBe(1_000);
    await worker.end(job, 0);
    expect((await download(job.jobId, 'a')).equals(bytes)).toBe(true);
  });

  it('that are not what was sent, or another of the same name, are not kept', async () => {
    const job = await started();
    const bytes = Buffer.from('good');
    await expect(part(job, 'a', 0, bytes, Buffer.from('evil'))).rejects.toThrow('not those its worker sent');
    expect(await part(job, 'a', 0, bytes, bytes)).toBe(4);
    await expect(part(job, 'a', 0, Buffer.from('evil'), Buffer.from('evil'))).rejects.toMatchObject({
      code: 'ARTIFACT_REFUSED',
    });
    await worker.end(job, 0);
    expect((await download(job.jobId, 'a')).toString()).toBe('good');
  });

  it('have names that stay names', async () => {
    const job = await started();
    for (const name of ['../../../etc/passwd', '/etc/passwd', 'a/../b', 'a\nb', 'ü'.repeat(200), '']) {
      await expect(part(job, name, 0, Buffer.from('x'))).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    }
    await part(job, '..hidden/ü\\"%00', 0, Buffer.from('x'), Buffer.from('x'));
    const [folder = ''] = await readdir(join(system.dir, 'artifacts', job.jobId));
    const files = await readdir(join(system.dir, 'artifacts', job.jobId, folder));
    expect(files.every((file) => /^[0-9a-f]{64}$/.test(file))).toBe(true);
    await worker.end(job, 0);
    expect((await download(job.jobId, '..hidden/ü\\"%00')).toString()).toBe('x');
  });

  it('are refused from who does not hold the attempt', async () => {
    const job = await started();
    await worker.end(job, 0);
    await expect(part(job, 'late', 0, Buffer.from('x'))).rejects.toMatchObject({ code: 'FENCED' });
  });

  it('are no more than an attempt may have', { timeout: 60_000 }, async () => {
    const job = await started();
    const empty = Buffer.alloc(0);
    for (let n = 0; n < limits.artifactsMax; n += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => part(job, `f${n + i}`, 0, empty, empty)));
    }
    await expect(part(job, 'one more', 0, empty, empty)).rejects.toMatchObject({ code: 'ARTIFACT_REFUSED' });
    await worker.end(job, 0);
    expect((await list(job.jobId)).artifacts.length).toBe(limits.artifactsMax);
  });

  it('whose last part is sent twice at once are kept once', async () => {
    const job = await started();
    const bytes = Buffer.from('twice');
    const ends = await Promise.all([1, 2, 3, 4].map(() => part(job, 'a', 0, bytes, bytes)));
    expect(ends).toEqual([5, 5, 5, 5]);
    await worker.end(job, 0);
    expect((await download(job.jobId, 'a')).equals(bytes)).toBe(true);
  });

  it('of each attempt stay apart', async () => {
    const job = await started();
    await part(job, 'a', 0, Buffer.from('first'), Buffer.from('first'));
    await worker.end(job, 1);
    await client.call('retryJob', { params: { id: job.jobId } });
    const again = await worker.start();
    await part(again, 'a', 0, Buffer.from('second'), Buffer.from('second'));
    expect((await download(job.jobId, 'a', { attempt: 1 })).toString()).toBe('first');
    await worker.end(again, 0);
    expect((await download(job.jobId, 'a')).toString()).toBe('second');
    await expect(download(job.jobId, 'a', { attempt: 3 })).rejects.toMatchObject({
      code: 'ATTEMPT_NOT_FOUND',
    });
  });
});

it('all that a job told goes with it', async () => {
  const job = await started();
  await tell(job, 1, 'x');
  await putResult(job, '1');
  await part(job, 'a', 0, Buffer.from('x'), Buffer.from('x'));
  await part(job, 'unfinished', 0, Buffer.from('x'));
  await worker.write(job, 0, []);
  await worker.end(job, 0);
  expect(await readdir(join(system.dir, 'artifacts'))).toEqual([job.jobId]);
  await client.call('removeJob', { params: { id: job.jobId } });
  expect(await readdir(join(system.dir, 'artifacts'))).toEqual([]);
  expect(await readdir(join(system.dir, 'logs')).catch(() => [])).toEqual([]);
  for (const table of ['job_progress', 'job_results', 'artifacts']) {
    const [row] = await system.db.query({ sql: `SELECT count(*) AS n FROM ${table}`, args: [] });
    expect(row).toEqual({ n: 0 });
  }
});
