import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type AnswerFrame, callsPath } from '../../contract/calls.ts';
import type { Problem } from '../../contract/problem.ts';
import { limits } from '../../domain/limits.ts';
import { raw } from './ask.suite.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

/** A connection as any client could make one. */
async function connect(of = system): Promise<WebSocket> {
  const webSocket = new WebSocket(`${of.url.replace('http', 'ws')}${callsPath}`);
  await once(webSocket, 'open');
  return webSocket;
}

/** Sends a message and gives the first so many answers. */
async function ask(webSocket: WebSocket, message: unknown, count = 1): Promise<AnswerFrame[]> {
  const answers: AnswerFrame[] = [];
  const take = (data: Buffer): void => void answers.push(...(JSON.parse(String(data)) as AnswerFrame[]));
  webSocket.on('message', take);
  webSocket.send(typeof message === 'string' ? message : JSON.stringify(message));
  while (answers.length < count) await once(webSocket, 'message');
  webSocket.off('message', take);
  return answers;
}

/** Sends what is no message; gives the status the server closes with. */
async function broken(message: string | Buffer, as: { readonly binary?: boolean } = {}): Promise<number> {
  const webSocket = await connect();
  webSocket.on('error', () => webSocket.terminate());
  webSocket.send(message, as);
  const [code] = (await once(webSocket, 'close')) as [number];
  return code;
}

const problemOf = (answer: AnswerFrame | undefined): Problem => answer?.body as Problem;
const submit = (id: number, body: object) => ({ id, route: 'submitJob', body });

describe('calls over one connection', () => {
  it('are answered each by its id, with the status and the body of HTTP', async () => {
    const webSocket = await connect();
    const answers = await ask(
      webSocket,
      [
        submit(1, { command: ['true'] }),
        submit(2, { command: [] }),
        { id: 3, route: 'getJob', params: { id: system.ids() } },
      ],
      3,
    );
    const of = (id: number): AnswerFrame | undefined => answers.find((answer) => answer.id === id);
    expect(of(1)).toMatchObject({ status: 201, body: { state: 'pending' } });
    expect(problemOf(of(2))).toMatchObject({ code: 'VALIDATION_FAILED', details: { field: 'command' } });
    expect(problemOf(of(3))).toMatchObject({ status: 404, code: 'JOB_NOT_FOUND' });
    webSocket.close();
  });

  it('are refused where there is no such route, and for routes that stream or take bytes', async () => {
    const webSocket = await connect();
    for (const route of ['nothing', 'readLogs', 'appendLogs', 'constructor', '__proto__x']) {
      const [answer] = await ask(webSocket, [{ id: 1, route }]);
      expect(problemOf(answer)).toMatchObject({ status: 404, code: 'ROUTE_NOT_FOUND' });
    }
    webSocket.close();
  });

  it('with a name no object may have, or too deep, are refused alone, as over HTTP', async () => {
    const webSocket = await connect();
    const poisoned = JSON.parse('{"command":["true"],"env":{"__proto__":"x"}}') as object;
    let deep: object = {};
    for (let depth = 1; depth <= limits.jsonDepth; depth++) deep = { deep };
    const told: [string, object][] = [
      ['submitJob', poisoned],
      ['submitJob', { command: ['true'], labels: { constructor: { prototype: 1 } } }],
      ['submitJob', { command: ['true'], deep }],
      ['submitJobs', [{ command: ['true'] }, poisoned]],
    ];
    const frames = told.map(([route, body], index) => ({ id: index + 1, route, body }));
    const answers = await ask(webSocket, [...frames, submit(5, { command: ['true'] })], 5);
    for (const [index, [route, body]] of told.entries()) {
      const isBatch = Array.isArray(body);
      const response = await fetch(`${system.url}/v1/jobs${isBatch ? '/batch' : ''}`, {
        method: 'POST',
        headers: { 'content-type': isBatch ? 'application/x-ndjson' : 'application/json' },
        body: isBatch ? body.map((line) => JSON.stringify(line)).join('\n') : JSON.stringify(body),
      });
      const { requestId: _, ...problem } = (await response.json()) as Problem;
      const answer = answers.find(({ id }) => id === index + 1);
      expect(answer, route).toMatchObject({ status: response.status, body: problem });
    }
    expect(answers.find(({ id }) => id === 5)).toMatchObject({ status: 201 });
    expect(webSocket.readyState).toBe(WebSocket.OPEN);
    webSocket.close();
  });

  it('beside one that is refused are taken as they are written: 1e999 is no null, and -0 is 0', async () => {
    const webSocket = await connect();
    const refused = '{"id":9,"route":"submitJob","body":{"__proto__":1}}';
    const queue = '{"id":1,"route":"setQueue","params":{"name":"q"},"body":{"retention":{"failedMs":1e999}}}';
    const jobId = '018bcfe5-6800-7000-8000-00000000a0a0';
    const job = `{"id":1,"route":"submitJob","body":{"id":"${jobId}","command":["true"],"priority":-0}}`;
    const tell = async (frame: string): Promise<AnswerFrame | undefined> => {
      const answers = await ask(webSocket, `[${frame},${refused}]`, 2);
      return answers.find(({ id }) => id === 1);
    };
    expect(await tell(queue)).toMatchObject({
      status: 400,
      body: { details: { value: 'Infinity' } },
    });
    for (let times = 0; times < 2; times++)
      expect(await tell(job)).toMatchObject({ body: { id: jobId, state: 'pending' } });
    webSocket.close();
  });

  it('that nobody waits for any more end', async () => {
    const webSocket = await connect();
    const job = problemOf((await ask(webSocket, [submit(1, { command: ['x'] })]))[0]) as unknown as {
      id: string;
    };
    const waiting = { id: 2, route: 'getJob', params: { id: job.id }, query: { waitMs: 60_000 } };
    const startMs = performance.now();
    await ask(webSocket, [waiting, { cancel: 2 }]);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    webSocket.close();
  });

  it('are answered before a server that closes lets go of the connection', async () => {
    const other = await startTestSystem();
    const webSocket = await connect(other);
    const job = (await ask(webSocket, [submit(1, { command: ['x'] })]))[0]?.body as { id: string };
    const waiting = ask(webSocket, [
      { id: 2, route: 'getJob', params: { id: job.id }, query: { waitMs: 60_000 } },
    ]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closed = once(webSocket, 'close');
    await other.close();
    expect((await waiting)[0]?.id).toBe(2);
    expect((await closed)[0]).toBe(1001);
  });

  it('beyond the bound are refused, and those within it are not', async () => {
    const webSocket = await connect();
    const job = (await ask(webSocket, [submit(1, { command: ['x'] })]))[0]?.body as { id: string };
    const waiting = Array.from({ length: limits.callsPerConnection }, (_, index) => ({
      id: index + 2,
      route: 'getJob',
      params: { id: job.id },
      query: { waitMs: 60_000 },
    }));
    const one = await ask(webSocket, [...waiting, { id: 1, route: 'getHealth' }]);
    expect(one).toMatchObject([{ id: 1, status: 429, body: { code: 'OVERLOADED' } }]);
    webSocket.terminate();
  });
});

describe('a client that does not read', () => {
  it('is not read from either, until it does', async () => {
    const other = await startTestSystem();
    const webSocket = await connect(other);
    webSocket.pause();
    let asked = 0;
    const stats = await other.deps.queries.stats();
    const counted = async (): Promise<typeof stats> => {
      asked++;
      return stats;
    };
    Object.assign(other.deps.queries, { stats: counted });
    const bytes = JSON.stringify(await (await fetch(`${other.url}/openapi.json`)).json()).length;
    const enough = Math.ceil((3 * limits.answerBacklogBytes) / bytes);
    for (let id = 0; id < enough; id++) {
      webSocket.send(JSON.stringify([{ id, route: 'getOpenapi' }]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    webSocket.send(JSON.stringify([{ id: enough, route: 'getStats' }]));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(asked).toBe(0);
    let answers = 0;
    webSocket.on('message', (data: Buffer) => {
      answers += (JSON.parse(String(data)) as AnswerFrame[]).length;
    });
    webSocket.resume();
    while (answers <= enough) await once(webSocket, 'message');
    expect(asked).toBe(1);
    webSocket.terminate();
    await other.close();
  }, 30_000);
});

describe('messages that are none', () => {
  it('close the connection, and say why', async () => {
    expect(await broken('not JSON')).toBe(1007);
    expect(await broken('{"id":1}')).toBe(1007);
    expect(await broken(Buffer.from('[]'))).toBe(1007);
    expect(await broken(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]), { binary: false })).toBe(1007);
    expect(await broken('['.repeat(limits.jsonDepth + 3))).toBe(1007);
    const levels = 100 * limits.jsonDepth;
    const far = `[{"id":1,"route":"submitJob","body":${'['.repeat(levels)}${']'.repeat(levels)}}]`;
    expect(await broken(far)).toBe(1007);
    for (const frame of [
      '1',
      'null',
      '{}',
      '{"id":"1","route":"getHealth"}',
      '{"id":1}',
      '{"id":1.5,"route":"x"}',
    ]) {
      expect(await broken(`[${frame}]`), frame).toBe(1002);
    }
    const twice = JSON.stringify([1, 1].map((id) => ({ id, route: 'getHealth' })));
    expect(await broken(twice)).toBe(1002);
    expect(await broken(`["${'x'.repeat(limits.bodyBytes)}"]`)).toBe(1009);
  });

  it('of any kind never make the server fail', async () => {
    const frame = fc.record(
      {
        id: fc.oneof(fc.integer(), fc.jsonValue()),
        route: fc.oneof(
          fc.constantFrom('submitJob', 'getJob', 'work', 'submitJobs', 'getStats'),
          fc.string(),
        ),
        params: fc.jsonValue(),
        query: fc.jsonValue(),
        headers: fc.jsonValue(),
        body: fc.jsonValue(),
        cancel: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const noise = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(frame).map((frames) => JSON.stringify(frames)),
    );
    await fc.assert(
      fc.asyncProperty(noise, async (message) => {
        const webSocket = await connect();
        const over = once(webSocket, 'close');
        const statuses: number[] = [];
        webSocket.on('message', (data: Buffer) => {
          statuses.push(...(JSON.parse(String(data)) as AnswerFrame[]).map(({ status }) => status));
        });
        webSocket.send(message);
        webSocket.close();
        await over;
        expect(statuses.filter((status) => status >= 500)).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect((await fetch(`${system.url}/healthz`)).status).toBe(200);
  }, 30_000);
});

describe('an upgrade', () => {
  const upgrade = (path: string, headers: string): Promise<string> =>
    raw(
      system.url,
      `GET ${path} HTTP/1.1\r\n${headers}connection: Upgrade\r\nsec-websocket-version: 13\r\n` +
        'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  const here = 'host: 127.0.0.1\r\n';

  it('from the page of another site, or to a rebound name, is refused', async () => {
    for (const headers of [`${here}origin: https://evil.example\r\n`, 'host: evil.example\r\n']) {
      const answer = await upgrade(callsPath, `${headers}upgrade: websocket\r\n`);
      expect(answer).toContain('HTTP/1.1 403');
      expect(answer).toContain('CROSS_SITE_REFUSED');
    }
  });

  it('to anything else, or elsewhere, is refused', async () => {
    expect(await upgrade('/v1/jobs', `${here}upgrade: websocket\r\n`)).toContain('METHOD_NOT_ALLOWED');
    expect(await upgrade('/other', `${here}upgrade: websocket\r\n`)).toContain('ROUTE_NOT_FOUND');
    expect(await upgrade(callsPath, `${here}upgrade: h2c\r\n`)).toContain('HTTP_INVALID');
  });
});
