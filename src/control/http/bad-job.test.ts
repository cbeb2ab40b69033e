import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { limits } from '../../domain/limits.ts';
import { memoryFactorMax } from '../../domain/retry.ts';
import { appTransport } from './app-transport.ts';
import { submit } from './ask.suite.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

const command = ['true'];

describe('a job with a bad field is refused by name, value and what is allowed', () => {
  const cases: [
    string,
    unknown,
    { field: string; value?: string | null; allowed?: string; problem?: string },
  ][] = [
    [
      'no command',
      {},
      { field: 'command', value: null, problem: 'is required: a list of 1 to 1000 entries' },
    ],
    [
      'a misspelt command',
      { queue: 'q', x: 1, comand: ['true'] },
      {
        field: 'command',
        value: null,
        problem: 'is required: a list of 1 to 1000 entries; comand: no such field, did you mean command?',
      },
    ],
    [
      'no command, and a field like no other',
      { zzzzzzzzzzzz: 1 },
      { field: 'command', problem: 'is required: a list of 1 to 1000 entries; zzzzzzzzzzzz: no such field' },
    ],
    [
      'a misspelt command behind more fields than are looked at',
      { ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`zzzzzzzzzzzz${n}`, n])), comand: [] },
      { field: 'command', problem: expect.stringMatching(/; zzzzzzzzzzzz0: no such field$/) as string },
    ],
    [
      'an empty argv',
      { command: [] },
      { field: 'command', value: '0 entries', allowed: 'a list of 1 to 1000 entries' },
    ],
    ['argv too long', { command: Array(1_001).fill('x') }, { field: 'command', value: '1001 entries' }],
    ['an argument that is no text', { command: ['a', 1] }, { field: 'command.1', value: '1' }],
    [
      'an argument too long',
      { command: ['x'.repeat(131_072)] },
      { field: 'command.0', allowed: 'text without NUL and lone surrogates, at most 131071 characters' },
    ],
    [
      'an argument of too many bytes',
      { command: ['é'.repeat(65_536)] },
      { field: 'command.0', allowed: 'text of at most 131071 bytes in UTF-8' },
    ],
    ['a NUL', { command: ['a\0b'] }, { field: 'command.0', value: '"a\\u0000b"' }],
    ['a lone surrogate', '{"command":["\\ud800"]}', { field: 'command.0' }],
    ['command as text', { command: 'true' }, { field: 'command', value: '"true"' }],
    [
      'an unknown field',
      { command, timeoutMS: 5 },
      {
        field: 'timeoutMS',
        value: '5',
        problem: expect.stringContaining(
          'no such field; did you mean timeoutMs? fields: id, command',
        ) as string,
      },
    ],
    [
      'a field like no other',
      { command, xyzzyqqqq: {} },
      {
        field: 'xyzzyqqqq',
        value: '{}',
        problem: expect.stringMatching(/^no such field; fields:/) as string,
      },
    ],
    [
      'timeout 0',
      { command, timeoutMs: 0 },
      {
        field: 'timeoutMs',
        value: '0',
        allowed: 'an integer from 1 to 86400000',
        problem: 'is 0; allowed: an integer from 1 to 86400000',
      },
    ],
    ['a fraction', { command, timeoutMs: 1.5 }, { field: 'timeoutMs', value: '1.5' }],
    ['a number as text', { command, timeoutMs: '1000' }, { field: 'timeoutMs', value: '"1000"' }],
    ['a number beyond all', '{"command":["x"],"timeoutMs":1e999}', { field: 'timeoutMs', value: 'Infinity' }],
    [
      'negative memory',
      { command, memoryMiB: -1 },
      { field: 'memoryMiB', value: '-1', allowed: 'an integer from 80 to 65536' },
    ],
    ['less disk than anything needs', { command, diskMiB: 3 }, { field: 'diskMiB', value: '3' }],
    ['more processes than there are numbers for', { command, pids: 4_194_305 }, { field: 'pids' }],
    ['a priority past its edge', { command, priority: -101 }, { field: 'priority', value: '-101' }],
    [
      'a retry for a reason that is not the job’s',
      { command, retry: { worker_lost: { attemptsMax: 2 } } },
      { field: 'retry.worker_lost' },
    ],
    [
      'memory that grows too fast',
      { command, retry: { oom: { memoryFactor: memoryFactorMax + 1 } } },
      { field: 'retry.oom.memoryFactor' },
    ],
    [
      'memory raised after a timeout',
      { command, retry: { timeout: { memoryFactor: 2 } } },
      { field: 'retry.timeout.memoryFactor' },
    ],
    [
      'too many attempts of a reason',
      { command, retry: { exit: { attemptsMax: limits.attemptsMax + 1 } } },
      { field: 'retry.exit.attemptsMax' },
    ],
    ['a start too far ahead', { command, delayMs: limits.delayMsMax + 1 }, { field: 'delayMs' }],
    ['two starts', { command, delayMs: 1, runAtMs: 1 }, { field: 'runAtMs', value: '1' }],
    ['an expiry at once', { command, expireInMs: 0 }, { field: 'expireInMs', value: '0' }],
    [
      'too many labels',
      { command, labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`n${i}`, ''])) },
      { field: 'labels', value: '65 entries', allowed: 'an object of at most 64 entries' },
    ],
    ['a bad label name', { command, labels: { 'a=b': 'c' } }, { field: 'labels.a=b' }],
    [
      'a label value too long',
      { command, labels: { a: 'x'.repeat(201) } },
      { field: 'labels.a', allowed: expect.stringContaining('at most 200 characters') as string },
    ],
    ['a bad tenant', { command, tenant: 'a b' }, { field: 'tenant', value: '"a b"' }],
    [
      'an unknown isolation',
      { command, isolation: 'weak' },
      { field: 'isolation', value: '"weak"', allowed: 'one of: maximum, standard, shared' },
    ],
    [
      'an isolation that its executor cannot keep',
      { command, isolation: 'maximum', executor: 'function' },
      { field: 'isolation', value: '"maximum"', allowed: 'only with executor microvm, not with function' },
    ],
    ['a unique key without text', { command, unique: { key: '' } }, { field: 'unique.key', value: '""' }],
    [
      'an unknown policy',
      { command, unique: { key: 'k', policy: 'drop' } },
      { field: 'unique.policy', allowed: 'one of: reject, existing, replace, debounce' },
    ],
    ['null', { command, memoryMiB: null }, { field: 'memoryMiB', value: 'null' }],
    [
      'a bad image name',
      { command, image: 'Base!' },
      {
        field: 'image',
        value: '"Base!"',
        allowed: 'name or name:tag, lower-case letters, digits, . _ and -',
      },
    ],
    [
      'a bad env name',
      { command, env: { 'A-B': 'c' } },
      { field: 'env.A-B', value: '"c"', allowed: expect.stringContaining('letters, digits and _') as string },
    ],
    ['an env value that is no text', { command, env: { FOO: 1 } }, { field: 'env.FOO', value: '1' }],
    [
      'too many env entries',
      { command, env: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`V${i}`, ''])) },
      { field: 'env', value: '257 entries', allowed: 'an object of at most 256 entries' },
    ],
    [
      'a relative cwd',
      { command, cwd: 'tmp' },
      { field: 'cwd', value: '"tmp"', allowed: expect.stringContaining('an absolute path') as string },
    ],
    [
      'stdin that is no base64',
      { command, stdinBase64: 'ä' },
      { field: 'stdinBase64', allowed: expect.stringContaining('base64') as string },
    ],
    [
      'an unknown back-off',
      { command, backoff: { type: 'linear' } },
      { field: 'backoff.type', value: '"linear"', allowed: 'one of: fixed, exponential' },
    ],
    [
      'a cap below the delay',
      { command, backoff: { delayMs: 1_000, delayMaxMs: 10 } },
      { field: 'backoff.delayMaxMs', value: '10', allowed: 'at least backoff.delayMs, that is 1000' },
    ],
    [
      'a cap below the delay in the rule of a reason',
      { command, retry: { exit: { backoff: { delayMs: 11, delayMaxMs: 10 } } } },
      {
        field: 'retry.exit.backoff.delayMaxMs',
        value: '10',
        allowed: 'at least retry.exit.backoff.delayMs, that is 11',
      },
    ],
    [
      'less memory after oom than at first',
      { command, memoryMiB: 200, retry: { oom: { memoryMiBMax: 100 } } },
      { field: 'retry.oom.memoryMiBMax', value: '100', allowed: 'at least memoryMiB, that is 200' },
    ],
    [
      'more disk than its memory can hold',
      { command, memoryMiB: 128, diskMiB: 33 },
      { field: 'diskMiB', value: '33', allowed: 'at most 32 with memoryMiB 128; 33 needs memoryMiB 130' },
    ],
    [
      'more disk than the least memory can hold',
      { command, memoryMiB: 80, diskMiB: 5 },
      { field: 'diskMiB', value: '5', allowed: 'at most 4 with memoryMiB 80; 5 needs memoryMiB 92' },
    ],
    [
      'more disk than any memory can hold',
      { command, memoryMiB: 65_536, diskMiB: 49_089 },
      { field: 'diskMiB', value: '49089', allowed: 'an integer from 4 to 49088' },
    ],
    ['a policy for nothing', { command, afterFailed: 'skip' }, { field: 'afterFailed', value: '"skip"' }],
    ['an unknown field inside', { command, backoff: { delay: 1 } }, { field: 'backoff.delay' }],
    ['an id that is none', { command, id: '1' }, { field: 'id', allowed: 'a UUID version 7 in lower case' }],
    ['a list as body', [], { field: 'body', value: '[]' }],
    ['null as body', null, { field: 'body', value: 'null' }],
    [
      'inputs of a function',
      { command, executor: 'function', inputs: ['019a0000-0000-7000-8000-000000000009'] },
      { field: 'inputs', allowed: 'none with executor function' },
    ],
    [
      'artifacts of a function',
      { command, executor: 'function', artifacts: ['/var/log'] },
      { field: 'artifacts', value: '["/var/log"]', allowed: 'none with executor function' },
    ],
    ['an empty program name', { command: [''] }, { field: 'command.0', value: '""' }],
  ];
  it.each(cases)('%s', async (_, body, details) => {
    const { status, problem } = await submit(system.url, body);
    expect(problem).toMatchObject({ code: 'VALIDATION_FAILED', fault: 'caller', details });
    expect(status).toBe(400);
    expect(problem.title).toMatch(new RegExp(`^${details.field}: `));
  });

  it('inputs of a function, in a batch and in a schedule, too', async () => {
    const client = new BlixardClient({ transport: appTransport(system.app) });
    const job = { command, executor: 'function', artifacts: ['/var/log'] };
    const body = [{ command }, job];
    await expect(client.call('submitJobs', { body })).rejects.toThrow('Line 2: artifacts: is [');
    const schedule = { params: { name: 'nightly' }, body: { cron: '@hourly', job } };
    await expect(client.call('setSchedule', schedule)).rejects.toThrow('artifacts: is [');
  });

  it('an unknown image, once workers have told which there are; a spec too large', async () => {
    await new TestWorker(new BlixardClient({ transport: appTransport(system.app) }), system.ids).register();
    expect(await submit(system.url, { command, image: 'nowhere' })).toMatchObject({
      status: 422,
      problem: { code: 'IMAGE_UNKNOWN' },
    });
    const env = { A: 'x'.repeat(131_000), B: 'x'.repeat(131_000), C: 'x'.repeat(131_000) };
    expect(await submit(system.url, { command, env })).toMatchObject({
      status: 413,
      problem: { code: 'SPEC_TOO_LARGE', details: { maxBytes: limits.jobSpecBytes } },
    });
  });
});
