/** Asking a server in ways no client of ours would. */
import { connect } from 'node:net';
import { expect } from 'vitest';
import type { Problem } from '../../contract/problem.ts';

/** A refusal. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly problem: Problem;
}

/** A request whose answer must be a problem. */
export async function ask(
  url: string,
  method: string,
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, { ...init, method });
  const text = await response.text();
  expect(response.headers.get('content-type'), text).toBe('application/problem+json');
  return { status: response.status, headers: response.headers, problem: JSON.parse(text) as Problem };
}

/** Submits any body, by default as JSON. */
export function submit(url: string, body: unknown, contentType = 'application/json'): Promise<Answer> {
  return ask(url, 'POST', '/v1/jobs', {
    headers: { 'content-type': contentType },
    body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });
}

/**
 * Sends bytes as they are, and with `end` nothing after them; gives all that comes back until the server
 * closes.
 */
export function raw(url: string, bytes: string | Buffer, end = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      if (end) socket.end(bytes);
      else socket.write(bytes);
    });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(String(Buffer.concat(chunks))));
    socket.on('error', reject);
  });
}
