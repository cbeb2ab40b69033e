/** Persistent connections: which upgrades are taken, and how they end with the server. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { WebSocketServer } from 'ws';
import { callsPath } from '../../contract/calls.ts';
import { defaults } from '../../domain/defaults.ts';
import { asBlixardError, BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import { answerRaw } from './broken-request.ts';
import { CallConnection } from './call-connection.ts';
import type { Calls } from './calls.ts';
import type { OpenRequests } from './open-requests.ts';
import { answerPlain } from './plain-upgrade.ts';
import { noRoute } from './route-methods.ts';
import { assertSameSite } from './same-site.ts';

/** Status of a close, as RFC 6455 has it: the server goes away. */
const goingAway = 1001;

/** Lets clients of a listening application keep a connection for their calls. Call it before `listen`. */
export function acceptCalls(
  app: FastifyInstance,
  deps: { readonly calls: Calls; readonly open: OpenRequests; readonly clock: Clock },
): void {
  const { calls, open, clock } = deps;
  const connections = new Set<CallConnection>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.bodyBytes,
    perMessageDeflate: false,
    // The connection decodes its messages itself, and breaks at what is no UTF-8.
    skipUTF8Validation: true,
  });
  /** The newest of each socket. */
  const answers = new WeakMap<Duplex, ServerResponse>();
  app.server.on('request', ({ socket }, answer) => answers.set(socket, answer));
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // It would be answered before what came before it, after which Node fails at the next request of the socket.
    if (answers.get(socket)?.closed === false) return socket.destroy();
    if (!isForCalls(request)) return answerPlain(app.server, request, socket, head);
    socket.on('error', () => socket.destroy());
    try {
      assertTaken(request, open);
    } catch (error) {
      answerRaw(socket, asBlixardError(error));
      return;
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new CallConnection(webSocket, { calls, clock });
      connections.add(connection);
      webSocket.once('close', () => connections.delete(connection));
    });
  });
  app.addHook('preClose', async () => {
    for (const connection of connections) connection.close(goingAway, 'the server is shutting down');
    const cut = clock.after(defaults.closeGraceMs, () => {
      for (const connection of connections) connection.cut();
    });
    await Promise.all([...connections].map((connection) => connection.closed));
    cut.cancel();
  });
}

/** A connection can do whatever a request can, so it is held to the stricter rules. Throws what is to be answered. */
function assertTaken({ headers, url = '' }: IncomingMessage, open: OpenRequests): void {
  open.assertOpen();
  assertSameSite('POST', headers);
  const path = pathOf(url);
  if (path !== callsPath) throw noRoute('GET', path);
  if (!isWebSocket(headers)) {
    throw new BlixardError('HTTP_INVALID', { problem: `${callsPath} takes an upgrade to websocket only` });
  }
}

function isForCalls({ headers, url = '' }: IncomingMessage): boolean {
  return isWebSocket(headers) || pathOf(url) === callsPath;
}

function isWebSocket({ upgrade }: IncomingHttpHeaders): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}

function pathOf(url: string): string {
  return url.split('?')[0] ?? '';
}
