/**
 * What is said to a connection whose bytes are no HTTP request, or whose request does not come to its end.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { problemContentType, problemOfError } from '../../contract/problem.ts';
import { defaults } from '../../domain/defaults.ts';
import { BlixardError } from '../../domain/errors.ts';

/** Answers once, if the other end still listens, and closes the connection. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  answerRaw(socket, asBlixardError(error));
}

/** Answers with a problem what Fastify does not see, and closes the connection. */
export function answerRaw(socket: Duplex, error: BlixardError): void {
  const { status } = error.entry;
  const body = JSON.stringify(problemOfError(error));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: ${problemContentType}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Answers a request that expects what the server cannot do; Node would say nothing but 417. */
export function answerExpectation({ headers }: IncomingMessage, answer: ServerResponse): void {
  const shown = JSON.stringify(headers.expect?.slice(0, 80));
  const error = new BlixardError('HTTP_INVALID', {
    problem: `the expect header is ${shown}; allowed: 100-continue`,
  });
  const headersOfAnswer = { 'content-type': problemContentType, connection: 'close' };
  answer.writeHead(error.entry.status, headersOfAnswer).end(JSON.stringify(problemOfError(error)));
}

function asBlixardError(error: Error & { readonly code?: string }): BlixardError {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new BlixardError('REQUEST_TIMEOUT', { timeoutMs: defaults.requestTimeoutMs }, { cause: error });
  }
  return new BlixardError('HTTP_INVALID', { problem: error.message }, { cause: error });
}
