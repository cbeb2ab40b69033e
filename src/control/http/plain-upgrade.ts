/**
 * Requests that offer another protocol which the server does not speak, as HTTP clients of Java do with each first one
 * (h2c): they are answered as if they had not (RFC 9110 §7.8). Node gives all of them away once one listens for
 * upgrades.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** Reads the request anew, without the header that made it an upgrade; `head` is what came behind its own head. */
export function answerPlain(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  // Node has read them as latin1.
  const plain = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  socket.unshift(Buffer.concat([plain, head]));
  server.emit('connection', socket);
}
