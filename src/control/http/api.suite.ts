/** What every client can rely on, whichever transport it uses. */
import fc from 'fast-check';
import { Check } from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient, type LogRange, type ReadLogsOptions } from '../../client/client.ts';
import type { FollowEvent } from '../../client/follow-logs.ts';
import type { Transport } from '../../client/transport.ts';
import type { CallArgs } from '../../client/wire.ts';
import { Problem } from '../../contract/problem.ts';
import { type JsonRouteName, type ReplyOf, routes } from '../../contract/routes.ts';
import type { TSchema } from '../../contract/typebox.ts';
import { isBlixardError } from '../../domain/errors.ts';
import type { JobState } from '../../domain/job.ts';
import { startTestSystem, type TestSystem, TestWorker, textRecord } from './test-system.suite.ts';

/** Runs the contract of the API over a transport. */
export function apiSuite(name: string, makeTransport: (system: TestSystem) => Transport): void {
  describe(`the API over ${name}`, () => {
    let system: TestSystem;
    let client: BlixardClient;
    let worker: TestWorker;

    beforeAll(async () => {
      system = await startTestSystem();
      client = new BlixardClient({ transport: makeTransport(system) });
      worker = new TestWorker(client, system.ids);
      await worker.register();
    });
    afterAll(async () => {
      await client.close();
      await system.close();
    });

    /** Calls, and checks that the reply is as the contract says, with nothing more. */
    async function call<N extends JsonRouteName>(route: N, ...args: CallArgs<N>): Promise<ReplyOf<N>> {
      const reply = await client.call(route, ...args);
      expect(Check(routes[route].reply as TSchema, reply), `${route}: ${JSON.stringify(reply)}`).toBe(true);
      return reply;
    }

    async function refusal(act: Promise<unknown>): Promise<{ code: string; details: object }> {
      const error = await act.then(
        (value) => expect.fail(`not refused: ${JSON.stringify(value)}`),
        (thrown: unknown) => thrown,
      );
      if (!isBlixardError(error)) throw error;
      return { code: error.code, details: error.details };
    }

    async function readAll(jobId: string, options: ReadLogsOptions = {}): Promise<LogRange[]> {
      const ranges: LogRange[] = [];
      for (let offset = 0; ; ) {
        const range = await client.readLogs(jobId, { ...options, offset });
        ranges.push(range);
        if (range.records.length === 0 || range.ended) return ranges;
        offset = range.nextOffset;
      }
    }

    async function follow(jobId: string, attempt?: number): Promise<FollowEvent[]> {
      const events: FollowEvent[] = [];
      for await (const event of client.followLogs(jobId, attempt === undefined ? {} : { attempt }))
        events.push(event);
      return events;
    }

    const outputOf = (events: readonly FollowEvent[]): string =>
      events
        .map((event) => (event.kind === 'log' ? `${event.attempt}${event.stream[3]}:${event.data}` : ''))
        .join('|');

    it('takes a job from submit to its end, and tells of it in every list', async () => {
      const job = await call('submitJob', { body: { command: ['true'], env: { A: 'b' } } });
      expect(job).toMatchObject({ state: 'pending', attempt: 0, spec: { image: 'base', env: { A: 'b' } } });
      const claimed = await worker.start();
      expect(claimed.jobId).toBe(job.id);
      expect((await call('getJob', { params: { id: job.id } })).state).toBe('running');
      const end = await worker.write(claimed, 0, [textRecord('out\n'), textRecord('err\n', 'stderr')]);
      expect(await worker.write(claimed, 0, [textRecord('out\n'), textRecord('err\n', 'stderr')])).toBe(end);
      await worker.end(claimed, 0);

      expect(await call('getJob', { params: { id: job.id.slice(0, -4) } })).toMatchObject({
        state: 'completed',
        exitCode: 0,
      });
      expect(await call('listAttempts', { params: { id: job.id } })).toMatchObject({
        attempts: [{ attempt: 1, state: 'ended', reason: 'exit', logBytes: 8, logMissingBytes: 0 }],
      });
      expect((await call('listJobs', { query: { limit: 1 } })).jobs[0]?.id).toBe(job.id);
      expect((await call('listJobEvents', { params: { id: job.id } })).events.length).toBeGreaterThan(3);
      expect((await call('getStats')).jobs).toContainEqual({
        queue: 'default',
        state: 'completed',
        count: 1,
      });
      expect((await call('listWorkers')).workers.map((each) => each.id)).toEqual([worker.id]);
      expect((await call('getWorker', { params: { id: worker.id } })).state).toBe('online');
    });

    it('tells that it is well, and describes itself', async () => {
      expect(await call('getHealth')).toEqual({ status: 'ok', version: '0.0.0-test' });
      expect(await call('getReady')).toEqual({ status: 'ready', store: 'ok' });
      expect(Object.keys((await call('getOpenapi'))['paths'] as object)).toContain('/v1/jobs/{id}');
    });

    it('gives the same job for the same id and spec, and refuses another spec', async () => {
      const id = system.ids();
      const first = await call('submitJob', { body: { id, command: ['one'] } });
      expect(await call('submitJob', { body: { id, command: ['one'] } })).toEqual(first);
      expect(await refusal(call('submitJob', { body: { id, command: ['two'] } }))).toEqual({
        code: 'JOB_ID_CONFLICT',
        details: { jobId: id },
      });
      await call('cancelJob', { params: { id }, body: { reason: 'over' } });
    });

    it('cancels and retries by the table, and refuses what is not in it', async () => {
      const { id } = await call('submitJob', { body: { command: ['true'] } });
      const cancelled = await call('cancelJob', { params: { id } });
      expect(cancelled.state).toBe('cancelled');
      expect(await call('cancelJob', { params: { id } })).toEqual(cancelled);
      const retry = { params: { id }, body: { delayMs: 3_600_000 } };
      expect(await refusal(call('retryJob', { params: { id }, body: { attempt: 1 } }))).toEqual({
        code: 'JOB_CHANGED',
        details: { jobId: id, found: 0, attempt: 1 },
      });
      const keyed = { ...retry, headers: { 'idempotency-key': 'once' } };
      const retried = await call('retryJob', keyed);
      expect(retried).toMatchObject({ state: 'scheduled' });
      expect(await call('retryJob', keyed)).toEqual(retried);
      expect(await refusal(call('retryJob', retry))).toEqual({
        code: 'JOB_INVALID_TRANSITION',
        details: { jobId: id, from: 'scheduled', to: 'scheduled', allowed: 'pending, failed, cancelled' },
      });
      await call('cancelJob', { params: { id } });
    });

    it('lists the jobs of several states', async () => {
      const ids: string[] = [];
      for (let n = 0; n < 3; n++)
        ids.unshift((await call('submitJob', { body: { command: ['true'], queue: 'several' } })).id);
      await call('cancelJob', { params: { id: ids[1] ?? '' } });
      const listed = async (...state: JobState[]) =>
        (await call('listJobs', { query: { queue: 'several', state } })).jobs.map(({ id }) => id);
      expect(await listed('pending', 'cancelled')).toEqual(ids);
      expect(await listed('cancelled', 'failed')).toEqual([ids[1]]);
      expect(await listed('failed', 'running')).toEqual([]);
      for (const id of ids) await call('cancelJob', { params: { id } });
    });

    it('names what is not there', async () => {
      const id = system.ids();
      expect(await refusal(call('getJob', { params: { id } }))).toEqual({
        code: 'JOB_NOT_FOUND',
        details: { jobId: id },
      });
      expect((await refusal(client.readLogs(id))).code).toBe('JOB_NOT_FOUND');
      expect((await refusal(follow(id))).code).toBe('JOB_NOT_FOUND');
      expect((await refusal(call('getWorker', { params: { id } }))).code).toBe('WORKER_NOT_FOUND');
      expect(await refusal(call('submitJob', { body: { command: ['x'], image: 'none' } }))).toMatchObject({
        code: 'IMAGE_UNKNOWN',
        details: { image: 'none', known: 'base:latest' },
      });
      const job = await call('submitJob', { body: { command: ['true'] } });
      expect(await refusal(client.readLogs(job.id, { attempt: 2 }))).toEqual({
        code: 'ATTEMPT_NOT_FOUND',
        details: { jobId: job.id, attempt: 2 },
      });
      await call('cancelJob', { params: { id: job.id } });
    });

    it('waits for the end of a job, and answers at once when it comes', async () => {
      const { id } = await call('submitJob', { body: { command: ['true'] } });
      const waiting = call('getJob', { params: { id }, query: { waitMs: 30_000 } });
      const claimed = await worker.start();
      await worker.end(claimed, 3);
      expect(await waiting).toMatchObject({ state: 'failed', exitCode: 3, reason: 'exit' });
    });

    it('lets go of a long poll whose caller has gone', async () => {
      const gone = new AbortController();
      const poll = worker.work([], 1, 50_000, gone.signal);
      setTimeout(() => gone.abort(), 50);
      await expect(poll).rejects.toMatchObject({ name: 'AbortError' });
      const { id } = await call('submitJob', { body: { command: ['true'] } });
      const claimed = await worker.start();
      expect(claimed.jobId).toBe(id);
      await worker.end(claimed, 0);
    });

    it('passes any bytes of output unchanged, streams apart', async () => {
      await call('submitJob', { body: { command: ['true'] } });
      const job = await worker.start();
      const written: { stream: 'stdout' | 'stderr'; atMs: number; data: Buffer }[] = [];
      let offset = 0;
      const anyRecord = fc.record({
        stream: fc.constantFrom('stdout' as const, 'stderr' as const),
        atMs: fc.integer({ min: 0, max: 2 ** 47 }),
        data: fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(anyRecord, { maxLength: 8 }), async (records) => {
          written.push(...records);
          offset = await worker.write(job, offset, records);
        }),
        { numRuns: 20 },
      );
      const live = follow(job.jobId);
      await worker.end(job, 0);

      const ranges = await readAll(job.jobId, { limitBytes: 700 });
      expect(ranges.flatMap((range) => range.records)).toEqual(written);
      expect(ranges.at(-1)).toMatchObject({ ended: true, nextOffset: offset });
      expect(ranges.slice(0, -1).every((range) => !range.ended)).toBe(true);
      const errors = (await readAll(job.jobId, { stream: 'stderr' })).flatMap((range) => range.records);
      expect(errors).toEqual(written.filter((record) => record.stream === 'stderr'));
      const events = await live;
      expect(events.at(-1)).toMatchObject({ kind: 'end', job: { state: 'completed' } });
      expect(events.slice(0, -1)).toEqual(written.map((record) => ({ kind: 'log', attempt: 1, ...record })));
    });

    it('follows a job over its attempts to its end', async () => {
      const { id } = await call('submitJob', { body: { command: ['true'] } });
      const live = follow(id, 1);
      const first = await worker.start();
      await worker.write(first, 0, [textRecord('one'), textRecord('two', 'stderr')]);
      // A new generation of the worker: what the old one held is put back.
      await worker.register();
      const second = await worker.start();
      expect(second).toMatchObject({ jobId: id, attempt: 2 });
      await worker.write(second, 0, [textRecord('three')]);
      await worker.end(second, 0);
      expect(outputOf(await live)).toBe('1o:one|1e:two|2o:three|');
      expect(outputOf(await follow(id))).toBe('2o:three|');
    });

    it('refuses a worker that does not hold the attempt, and an upload past the end of the log', async () => {
      await call('submitJob', { body: { command: ['true'] } });
      const job = await worker.start();
      const stranger = new TestWorker(client, system.ids);
      await stranger.register();
      expect((await refusal(stranger.write(job, 0, [textRecord('x')]))).code).toBe('FENCED');
      expect(await refusal(worker.write(job, 14, [textRecord('x')]))).toMatchObject({
        code: 'LOG_OFFSET_MISMATCH',
        details: { expectedOffset: 0, offset: 14 },
      });
      await worker.end(job, 0);
      expect((await refusal(worker.write(job, 0, [textRecord('late')]))).code).toBe('FENCED');
      await call('removeWorker', { params: { id: stranger.id }, query: { generation: stranger.generation } });
    });

    it('says errors as problem+json that matches its schema', async () => {
      const transport = makeTransport(system);
      const response = await transport.send({
        method: 'GET',
        path: '/v1/jobs/0000',
        headers: { 'x-request-id': 'my-id' },
      });
      const chunks: Buffer[] = [];
      for await (const chunk of response.body) chunks.push(chunk as Buffer);
      const problem: unknown = JSON.parse(String(Buffer.concat(chunks)));
      expect(Check(Problem, problem)).toBe(true);
      expect(problem).toMatchObject({ status: 404, code: 'JOB_NOT_FOUND', requestId: 'my-id' });
      expect(response.headers['content-type']).toContain('application/problem+json');
      await transport.close();
    });
  });
}
