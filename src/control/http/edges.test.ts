import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../contract/problem.ts';
import type { RouteName } from '../../contract/routes.ts';
import { limits } from '../../domain/limits.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';
import type { CallInput } from './calls.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

const command = ['true'];
const nobody = '01900000-0000-7000-8000-000000000000';
const text = (length: number): string => 'x'.repeat(length);
const list = <T>(length: number, entry: T): T[] => Array.from({ length }, () => entry);

type Asked = [RouteName, CallInput];
const submit = (more: object): Asked => ['submitJob', { body: { command, ...more } }];
const setQueue = (body: object): Asked => ['setQueue', { params: { name: 'q' }, body }];
const search = (query: object): Asked => ['listJobs', { query }];
const putWebhook = (more: object): Asked => [
  'putWebhook',
  { params: { name: 'w' }, body: { url: 'http://127.0.0.1:1/', paused: true, ...more } },
];
const setSchedule = (more: object): Asked => [
  'setSchedule',
  { params: { name: 's' }, body: { cron: '0 0 1 1 *', paused: true, job: { command }, ...more } },
];
const work = (more: object): Asked => [
  'work',
  {
    params: { id: nobody },
    body: { generation: 1, token: nobody, repeat: false, done: [], want: 0, waitMs: 0, ...more },
  },
];
const stop = { image: null, memoryMiB: null, vcpus: null, failures: 1, retryInMs: 0, why: '' };
const image = { name: 'base:latest', digest: '' };
const tellImages = (images: object[]): Asked => [
  'tellImages',
  { params: { id: nobody }, body: { generation: 1, images } },
];

/** The field at which a value past the limit is refused, and what asks for one of this size. */
const edges: [keyof typeof limits, string, (size: number) => Asked][] = [
  ['pathLength', 'cwd', (n) => submit({ cwd: `/${text(n - 1)}` })],
  ['uidMax', 'uid', (uid) => submit({ uid })],
  ['vcpusMax', 'vcpus', (vcpus) => submit({ vcpus })],
  ['memoryMiBMax', 'memoryMiB', (memoryMiB) => submit({ memoryMiB })],
  ['timeoutMsMax', 'timeoutMs', (timeoutMs) => submit({ timeoutMs })],
  ['attemptsMax', 'attemptsMax', (attemptsMax) => submit({ attemptsMax })],
  ['delayMsMax', 'expireInMs', (expireInMs) => submit({ expireInMs })],
  ['priorityMax', 'priority', (priority) => submit({ priority })],
  ['uniqueKeyLength', 'unique.key', (n) => submit({ unique: { key: text(n) } })],
  ['concurrencyKeyLength', 'concurrencyKey', (n) => submit({ concurrencyKey: text(n) })],
  ['artifactPathsMax', 'artifacts', (n) => submit({ artifacts: list(n, '/a') })],
  ['inputsMax', 'inputs', (n) => submit({ inputs: list(n, nobody) })],
  ['nameLength', 'group', (n) => submit({ group: text(n) })],
  ['idempotencyKeyLength', 'idempotency-key', (n) => keyed(text(n))],
  ['labelsSearched', 'label', (n) => search({ label: list(n, 'a=b') })],
  ['searchTextLength', 'text', (n) => search({ text: text(n) })],
  ['pageMax', 'limit', (limit) => search({ limit })],
  ['actorLength', 'by', (n) => ['cancelJob', { params: { id: nobody }, body: { by: text(n) } }]],
  ['waitMsMax', 'waitMs', (waitMs) => ['getJob', { params: { id: nobody }, query: { waitMs } }]],
  ['concurrencyMax', 'concurrencyMax', (concurrencyMax) => setQueue({ concurrencyMax })],
  ['rateMax', 'rateLimit.max', (max) => setQueue({ rateLimit: { max, perMs: 1 } })],
  ['ratePerMsMax', 'rateLimit.perMs', (perMs) => setQueue({ rateLimit: { max: 1, perMs } })],
  ['weightMax', 'weights.t', (t) => setQueue({ fairBy: 'tenant', weights: { t } })],
  ['retentionMsMax', 'retention.failedMs', (failedMs) => setQueue({ retention: { failedMs } })],
  ['webhookUrlLength', 'url', (n) => putWebhook({ url: `http://127.0.0.1/${text(n - 17)}` })],
  ['webhookKinds', 'kinds', (n) => putWebhook({ kinds: list(n, 'job.') })],
  ['catchUpMax', 'catchUpMax', (catchUpMax) => setSchedule({ catchUpMax })],
  ['workMax', 'want', (want) => work({ want })],
  ['vmStopsTold', 'vmsStopped', (n) => work({ vmsStopped: list(n, stop) })],
  ['workerImagesMax', 'images', (n) => tellImages(list(n, image))],
  ['factLength', 'images.0.digest', (n) => tellImages([{ ...image, digest: text(n) }])],
];

const keyed = (key: string): Asked => [
  'submitJob',
  { headers: { 'idempotency-key': key }, body: { command } },
];

async function problemOf([route, input]: Asked): Promise<Partial<Problem>> {
  const { status, body } = await system.app.calls.answer(route, input, new LazySignal());
  return status < 400 ? {} : (body as Problem);
}

describe('a value is taken at its limit and refused past it', () => {
  it.each(edges)('%s of %s', async (limit, field, ask) => {
    expect((await problemOf(ask(limits[limit]))).code).not.toBe('VALIDATION_FAILED');
    expect(await problemOf(ask(limits[limit] + 1))).toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field, allowed: expect.any(String) },
    });
  });

  it('the URL of a webhook, in which no half of a character can be', async () => {
    const problem = await problemOf(putWebhook({ url: 'http://127.0.0.1/\ud83d' }));
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', details: { field: 'url' } });
  });

  it('the name of a time zone, of which none is as long as may be', async () => {
    for (const [length, allowed] of [
      [limits.timeZoneLength, /an IANA name/],
      [limits.timeZoneLength + 1, /at most 64 characters/],
    ] as const) {
      expect((await problemOf(setSchedule({ timeZone: text(length) }))).title).toMatch(allowed);
    }
  });
});
