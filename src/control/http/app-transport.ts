/** The Transport straight into the application: no socket, same requests, same answers. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Transport, WireCall, WireReply, WireRequest, WireResponse } from '../../client/transport.ts';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { LazySignal } from '../../platform/lazy-signal.ts';
import { copyOfPlain } from './plain-copy.ts';

const url = 'this process';

/** Calls an application that need not listen. The application is not closed with it. */
export function appTransport(app: FastifyInstance): Transport {
  let isReady = false;
  const ready = async (): Promise<void> => {
    await app.ready();
    isReady = true;
  };
  return {
    url,
    call: async (call) => {
      if (!isReady) await ready();
      return await callApp(app, call);
    },
    send: (request) => send(app, request),
    close: () => Promise.resolve(),
  };
}

/** What is asked is copied as a wire would; what is answered was made for this answer. */
async function callApp(app: FastifyInstance, call: WireCall): Promise<WireReply> {
  const { route, gone: caller, params, query, headers, body } = call;
  caller?.throwIfAborted();
  const copy = copyOnWire({ params, query, headers, body });
  if (copy === undefined) {
    return app.calls.refusal(new BlixardError('BODY_TOO_LARGE', { maxBytes: limits.bodyBytes }), route);
  }
  const gone = new LazySignal();
  const unhook = caller?.onAbort(() => gone.abort(abortError()));
  const answer = await app.calls.answer(route, copy, gone);
  unhook?.();
  caller?.throwIfAborted();
  return answer;
}

/** Undefined when it is longer than a body may be. */
function copyOnWire(parts: object): object | undefined {
  const copied = copyOfPlain(parts);
  if (copied !== undefined && copied.bytesMax <= limits.bodyBytes) return copied.copy as object;
  const text = JSON.stringify(parts);
  return Buffer.byteLength(text) > limits.bodyBytes ? undefined : (JSON.parse(text) as object);
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
