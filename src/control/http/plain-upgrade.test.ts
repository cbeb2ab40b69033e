import { once } from 'node:events';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlixardClient } from '../../client/client.ts';
import { httpTransport } from '../../client/http-transport.ts';
import { raw } from './ask.suite.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await startTestSystem();
});
afterAll(() => system.close());

const here = 'host: 127.0.0.1\r\n';

describe('an offer', () => {
  it('to another protocol is passed over: Java asks for h2c with its first request', async () => {
    const offer = `${here}connection: close, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n`;
    const health = await raw(system.url, `GET /healthz HTTP/1.1\r\n${offer}\r\n`);
    expect(health).toMatch(/^HTTP\/1.1 200 /);
    const body = '{"command":["true"],"labels":{"a":"ä"}}';
    const length = Buffer.byteLength(body);
    const about = `content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
    const job = await raw(system.url, `POST /v1/jobs HTTP/1.1\r\n${offer}${about}${body}`);
    expect(job).toMatch(/^HTTP\/1.1 201 /);
    expect(job).toContain('"labels":{"a":"ä"}');
    const evil = await raw(
      system.url,
      `GET /healthz HTTP/1.1\r\n${offer.replace('127.0.0.1', 'evil.example')}\r\n`,
    );
    expect(evil).toContain('CROSS_SITE_REFUSED');
  });

  it('to another protocol may come with each request of a connection that stays open', async () => {
    const { port, hostname } = new URL(system.url);
    const socket = createConnection(Number(port), hostname);
    socket.setEncoding('utf8');
    for (let times = 0; times < 30; times++) {
      const offer = times % 3 === 2 ? '' : 'connection: Upgrade\r\nupgrade: h2c\r\n';
      socket.write(`GET /healthz HTTP/1.1\r\n${here}${offer}\r\n`);
      const [text] = (await once(socket, 'data')) as [string];
      expect(text).toMatch(/^HTTP\/1.1 200 .*"status":"ok"/s);
    }
    socket.destroy();
  });

  it('to another protocol behind a request that is not answered yet ends the connection, not the server', async () => {
    const client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
    const { id } = await client.call('submitJob', { body: { command: ['x'] } });
    await client.close();
    const waiting = `GET /v1/jobs/${id}?waitMs=200 HTTP/1.1\r\n${here}\r\n`;
    const offer = `GET /healthz HTTP/1.1\r\n${here}connection: Upgrade\r\nupgrade: h2c\r\n\r\n`;
    const plain = `GET /healthz HTTP/1.1\r\n${here}\r\n`;
    const { port, hostname } = new URL(system.url);
    const socket = createConnection(Number(port), hostname);
    const closed = once(socket, 'close');
    // What Node fails at is the request after the first was answered.
    const later = setTimeout(() => socket.end(plain), 400);
    let text = '';
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        text += data;
      });
    socket.write(`${waiting}${offer}`);
    await closed;
    clearTimeout(later);
    expect(text).not.toContain('"status":"ok"');
    expect(await raw(system.url, `${plain.slice(0, -2)}connection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 200 /,
    );
  });
});
