/** The Transport over a socket: one pool of kept-alive connections. */
import { defaults } from '../domain/defaults.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { isAbort, unreachable } from './answer.ts';
import type { Transport, WireRequest, WireResponse } from './transport.ts';
import { Pool } from './undici.ts';

/**
 * Reaches a control node at an address such as `http://127.0.0.1:3020`. Throws USAGE for what is no such
 * address.
 */
export function httpTransport(options: { readonly url: string }): Transport {
  const origin = originOf(options.url);
  const pool = new Pool(origin, {
    connections: limits.clientConnections,
    connect: { timeout: defaults.connectTimeoutMs },
    headersTimeout: limits.waitMsMax + defaults.callTimeoutMs,
    // A followed log may be silent for as long as it likes; followers watch its heartbeat.
    bodyTimeout: 0,
  });
  return {
    url: origin,
    send: (request) => send(pool, origin, request),
    close: () => pool.destroy(),
  };
}

async function send(pool: Pool, url: string, request: WireRequest): Promise<WireResponse> {
  try {
    const { statusCode, headers, body } = await pool.request({
      method: request.method as 'GET',
      path: request.path,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal: request.signal ?? null,
    });
    return { status: statusCode, headers: singles(headers), body };
  } catch (error) {
    if (isAbort(error)) throw error;
    if (request.signal?.aborted) throw new DOMException(problemOf(error), 'AbortError');
    throw unreachable(url, error);
  }
}

function singles(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
    throw new BlixardError('USAGE', {
      problem: `${text} is no address of a server; one looks like http://127.0.0.1:${defaults.port}`,
    });
  }
  return url.origin;
}
