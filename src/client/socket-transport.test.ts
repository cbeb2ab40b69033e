import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { CallFrame } from '../contract/calls.ts';
import { limits } from '../domain/limits.ts';
import { BlixardClient } from './client.ts';
import { socketTransport } from './socket-transport.ts';

/** A program that waits for an answer less long than the connection takes to be made. */
const impatient = `
  const { BlixardClient, socketTransport } = await import('${new URL('index.ts', import.meta.url)}');
  const client = new BlixardClient({ transport: socketTransport({ url: process.env.URL_OF_SERVER }) });
  await client.call('getHealth', { timeoutMs: 100 }).catch((error) => console.log(error.code));
`;

const switching = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server whose connections answer by a script; plain requests are told by their paths. */
async function scripted(answer: (frames: CallFrame[], webSocket: WebSocket) => void) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.setHeader('content-type', 'application/json').end('{"status":"ok","version":"plain"}');
  });
  const url = await listen(server);
  const connections: WebSocket[] = [];
  const webSockets = new WebSocketServer({ server });
  webSockets.on('connection', (webSocket) => {
    connections.push(webSocket);
    webSocket.on('message', (data) => answer(JSON.parse(String(data)) as CallFrame[], webSocket));
  });
  closers.push(() => webSockets.close());
  const client = new BlixardClient({ transport: socketTransport({ url }) });
  closers.push(() => void client.close());
  return { client, connections, requests };
}

const ok = (id: number) => ({ id, status: 200, body: { status: 'ok', version: 'socket' } });
const reply = (frames: CallFrame[], webSocket: WebSocket): void =>
  webSocket.send(JSON.stringify(frames.map(({ id }) => ok(id))));

describe('one connection', () => {
  it('takes the calls of one turn in a few messages, and its answers in any order', async () => {
    const messages: number[] = [];
    const { client, connections } = await scripted((frames, webSocket) => {
      messages.push(frames.length);
      reply(frames.toReversed(), webSocket);
    });
    await client.call('getHealth');
    await Promise.all(Array.from({ length: 50 }, () => client.call('getHealth')));
    expect(messages).toEqual([1, 16, 16, 16, 2]);
    expect(connections.length).toBe(1);
  });

  it('is made anew when it is lost; a call that may be repeated is, another is not', async () => {
    let failing = true;
    const seen: string[] = [];
    const { client, connections } = await scripted((frames, webSocket) => {
      seen.push(...frames.map(({ route }) => route));
      if (failing) webSocket.terminate();
      else reply(frames, webSocket);
      failing = false;
    });
    expect(await client.call('getHealth')).toMatchObject({ version: 'socket' });
    expect(connections.length).toBe(2);
    failing = true;
    const remove = client.call('removeJob', { params: { id: 'abcd' } });
    await expect(remove).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(seen).toEqual(['getHealth', 'getHealth', 'removeJob']);
    failing = true;
    const keyed = { params: { name: 's' }, headers: { 'idempotency-key': 'k' } };
    // What answers here gives 200 to everything.
    const trigger = client.call('triggerSchedule', keyed);
    await expect(trigger).rejects.toMatchObject({ code: 'SERVER_ANSWER_INVALID' });
    expect(seen.slice(3)).toEqual(['triggerSchedule', 'triggerSchedule']);
  });

  it('tells the server of a call that nobody waits for any more', async () => {
    const frames: unknown[] = [];
    const { client } = await scripted((message) => frames.push(...message));
    const caller = new AbortController();
    const call = client.call('getHealth', { signal: caller.signal });
    while (frames.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    caller.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    while (frames.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(frames[1]).toEqual({ cancel: (frames[0] as CallFrame).id });
  });

  it('that is made when its caller has gone keeps no process alive', async () => {
    const server = createServer();
    const webSockets = new WebSocketServer({ noServer: true });
    const made = new Promise<void>((resolve) => webSockets.once('connection', () => resolve()));
    server.on('upgrade', (request, socket, head) =>
      setTimeout(
        () => webSockets.handleUpgrade(request, socket, head, (ws) => webSockets.emit('connection', ws)),
        500,
      ),
    );
    const url = await listen(server);
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', impatient], {
      env: { ...process.env, URL_OF_SERVER: url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    closers.push(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    await made;
    const over = AbortSignal.timeout(5_000);
    const late = once(over, 'abort').then(() => ['still there']);
    expect(await Promise.race([exited, late])).toEqual([0, null]);
  });

  it('holds no more calls than its bound, and ends all when it is closed', async () => {
    const { client } = await scripted(() => undefined);
    const calls = Array.from({ length: limits.callsWaiting }, () =>
      client.call('removeJob', { params: { id: 'abcd' } }).catch((error: { code: string }) => error.code),
    );
    const refused = client.call('removeJob', { params: { id: 'abcd' } });
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED' });
    await client.close();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['CLIENT_CLOSED']));
  }, 20_000);

  it('whose server answers nonsense is given up', async () => {
    const { client } = await scripted((_, webSocket) => webSocket.send('nonsense'));
    await expect(client.call('getHealth')).rejects.toMatchObject({ code: 'SERVER_ANSWER_INVALID' });
  });
});

describe('plain HTTP', () => {
  it('is used where the server takes no such connection', async () => {
    const paths: string[] = [];
    const url = await listen(
      createServer((request, response) => {
        paths.push(request.url ?? '');
        response.setHeader('content-type', 'application/json').end('{"status":"ok","version":"plain"}');
      }),
    );
    const client = new BlixardClient({ transport: socketTransport({ url }) });
    closers.push(() => void client.close());
    expect(await client.call('getHealth')).toMatchObject({ version: 'plain' });
    await client.call('getHealth');
    expect(paths).toEqual(['/v1/calls', '/healthz', '/healthz']);
  });

  it.each([
    ['drops', (socket: Duplex) => socket.destroy()],
    ['ends', (socket: Duplex) => socket.end()],
    ['answers with nonsense', (socket: Duplex) => socket.end('hello\r\n\r\n')],
    [
      'answers with another key',
      (socket: Duplex) => socket.write(`${switching}sec-websocket-accept: x\r\n\r\n`),
    ],
  ])('is used where a proxy on the way %s the handshake', async (_, refuse) => {
    let handshakes = 0;
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json').end('{"status":"ok","version":"plain"}');
    });
    server.on('upgrade', (_request, socket) => {
      handshakes++;
      refuse(socket);
    });
    const client = new BlixardClient({ transport: socketTransport({ url: await listen(server) }) });
    closers.push(() => void client.close());
    expect(await client.call('getHealth')).toMatchObject({ version: 'plain' });
    // It is not repeatable: nothing of it was sent with the handshake.
    const purge = client.call('purgeQueue', { params: { name: 'q' }, body: {} });
    expect(await purge).toMatchObject({ version: 'plain' });
    expect(handshakes).toBe(1);
  });

  it('is used for a call that is too long for one message', async () => {
    const { client, requests } = await scripted(reply);
    const stdinBase64 = 'A'.repeat(limits.bodyBytes);
    const call = client.call('submitJob', { body: { command: ['x'], stdinBase64 } });
    await expect(call).rejects.toMatchObject({ code: 'SERVER_ANSWER_INVALID' });
    expect(requests).toEqual(['/v1/jobs']);
  });

  it('says that nothing listens as it would itself', async () => {
    const client = new BlixardClient({ transport: socketTransport({ url: 'http://127.0.0.1:1' }) });
    const call = client.call('removeJob', { params: { id: 'abcd' } });
    await expect(call).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    await client.close();
  });
});
