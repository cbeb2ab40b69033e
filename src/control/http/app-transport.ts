/** The Transport straight into the application: no socket, same requests, same answers. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Transport, WireRequest, WireResponse } from '../../client/transport.ts';
import { BlixardError, problemOf } from '../../domain/errors.ts';

const url = 'this process';

/** Calls an application that need not listen. The application is not closed with it. */
export function appTransport(app: FastifyInstance): Transport {
  return {
    url,
    send: (request) => send(app, request),
    close: () => Promise.resolve(),
  };
}

async function send(app: FastifyInstance, request: WireRequest): Promise<WireResponse> {
  const { signal } = request;
  if (signal?.aborted) throw abortError();
  const payload = payloadOf(request);
  const abort = (): void => void payload.destroy(abortError());
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const response = await app.inject({
      method: request.method as 'GET',
      url: request.path,
      headers: headersOf(request),
      payload,
      payloadAsStream: true,
    });
    const body = response.stream();
    body.once('close', () => {
      signal?.removeEventListener('abort', abort);
      // Whoever throws a body away unread has gone, for the app as for a server.
      if (!body.readableEnded) abort();
    });
    return { status: response.statusCode, headers: textsOf(response.headers), body };
  } catch (error) {
    signal?.removeEventListener('abort', abort);
    if (signal?.aborted) throw error;
    throw new BlixardError('SERVER_UNREACHABLE', { url, problem: problemOf(error) }, { cause: error });
  }
}

function abortError(): Error {
  return new DOMException('the caller has gone', 'AbortError');
}

function headersOf({ headers, body }: WireRequest): Record<string, string> {
  if (body === undefined) return { ...headers };
  return { ...headers, 'content-length': String(Buffer.byteLength(body)) };
}

/**
 * An injected request ends when its payload fails, and only so can it be aborted at any time: the payload
 * must be a stream, and one that can still fail after its last byte.
 */
function payloadOf({ body }: WireRequest): Readable {
  return new Readable({
    autoDestroy: false,
    read() {
      if (body !== undefined && body.length > 0) this.push(Buffer.from(body));
      this.push(null);
    },
  });
}

function textsOf(headers: Readonly<Record<string, unknown>>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value === undefined ? undefined : String(value)]),
  );
}
