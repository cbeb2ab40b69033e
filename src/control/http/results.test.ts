/** Progress and results over HTTP, told by a worker and asked for by users. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { TellScene } from './tell-scene.suite.ts';
import { TestWorker } from './test-system.suite.ts';

let scene: TellScene;
beforeEach(async () => {
  scene = await TellScene.open();
});
afterEach(() => scene.close());

describe('progress', () => {
  it('shows in the job and as events, the newest counts', async () => {
    const job = await scene.started();
    expect((await scene.get(job.jobId)).progress).toBeNull();
    await scene.tell(job, 40, 'compiling');
    expect((await scene.get(job.jobId)).progress).toMatchObject({ percent: 40, message: 'compiling' });
    await scene.tell(job, null, 'linking');
    expect((await scene.get(job.jobId)).progress).toMatchObject({ percent: null, message: 'linking' });
    const { events } = await scene.client.listEvents({ kind: 'job.progress' });
    expect(events.map(({ jobId, attempt, data }) => ({ jobId, attempt, data }))).toEqual([
      { jobId: job.jobId, attempt: 1, data: { percent: 40, message: 'compiling' } },
      { jobId: job.jobId, attempt: 1, data: { percent: null, message: 'linking' } },
    ]);
  });

  it('of an earlier attempt is not that of the next', async () => {
    const job = await scene.started();
    await scene.tell(job, 90, 'nearly');
    await scene.worker.end(job, 1);
    expect((await scene.get(job.jobId)).progress).toMatchObject({ percent: 90 });
    await scene.client.call('retryJob', { params: { id: job.jobId } });
    const again = await scene.worker.start();
    expect((await scene.get(job.jobId)).progress).toBeNull();
    await scene.tell(again, 5, 'anew');
    expect((await scene.get(job.jobId)).progress).toMatchObject({ percent: 5 });
  });

  it('is refused from who does not hold the attempt, or holds it no more', async () => {
    const job = await scene.started();
    const other = new TestWorker(scene.client, scene.system.ids);
    await other.register();
    await expect(scene.tell(job, 1, '', other)).rejects.toMatchObject({ code: 'FENCED' });
    await scene.worker.end(job, 0);
    await expect(scene.tell(job, 1, '')).rejects.toMatchObject({ code: 'FENCED' });
  });

  it.each([
    [101, 'x'],
    [-1, 'x'],
    [1, 'x'.repeat(limits.progressMessageLength + 1)],
    [1, 'a\0b'],
  ])('of %j and %j is refused', async (percent, message) => {
    const job = await scene.started();
    await expect(scene.tell(job, percent, message)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('told very often makes a bounded number of events', { timeout: 60_000 }, async () => {
    const job = await scene.started();
    for (let told = 0; told < limits.progressEvents + 20; told++) await scene.tell(job, told % 100, '');
    expect(await scene.countProgressEvents()).toBe(limits.progressEvents);
    expect((await scene.get(job.jobId)).progress).toMatchObject({
      percent: (limits.progressEvents + 19) % 100,
    });
  });
});

describe('result', () => {
  it('is given as it was written, once the job has ended', async () => {
    const job = await scene.started();
    const text = '{ "answer": 42,\n"big": 12345678901234567890 }';
    await scene.putResult(job, text);
    await expect(scene.client.readResult(job.jobId)).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' });
    await scene.worker.end(job, 0);
    expect(await scene.client.readResult(job.jobId)).toBe(text);
    const response = await fetch(`${scene.system.url}/v1/jobs/${job.jobId}/result`);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toMatchObject({ answer: 42 });
  });

  it('is not there for a job that wrote none, also when an earlier attempt did', async () => {
    const job = await scene.started();
    await scene.putResult(job, '1');
    await scene.worker.end(job, 1);
    expect(await scene.client.readResult(job.jobId)).toBe('1');
    await scene.client.call('retryJob', { params: { id: job.jobId } });
    await scene.worker.end(await scene.worker.start(), 1);
    await expect(scene.client.readResult(job.jobId)).rejects.toThrow('it ended without one');
  });

  it.each([
    ['{', 'RESULT_INVALID'],
    ['', 'RESULT_INVALID'],
    [Buffer.from([0x22, 0xff, 0x22]), 'RESULT_INVALID'],
    [`"${'x'.repeat(limits.resultBytes)}"`, 'BODY_TOO_LARGE'],
  ])('refuses what is no JSON, or too large', async (text, code) => {
    await expect(scene.putResult(await scene.started(), text)).rejects.toMatchObject({ code });
  });

  it('says of a result that was dropped why', async () => {
    const job = await scene.started();
    const dropped = 'result dropped: it has 1048577 bytes, allowed are 1048576';
    await scene.worker.end(job, 0, `${dropped}; artifact a: its name is not allowed`);
    await expect(scene.client.readResult(job.jobId)).rejects.toThrow(`it ended without one; ${dropped}.`);
  });

  it('takes the largest there may be, and any nesting', async () => {
    const job = await scene.started();
    const depth = limits.resultBytes / 2;
    await scene.putResult(job, '['.repeat(depth) + ']'.repeat(depth));
    await scene.worker.end(job, 0);
    expect((await scene.client.readResult(job.jobId)).length).toBe(limits.resultBytes);
  });
});
