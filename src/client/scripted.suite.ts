/** A server for tests of the client, that answers by a script. */
import { Readable } from 'node:stream';
import { BlixardError } from '../domain/errors.ts';
import { BlixardClient } from './client.ts';
import type { Transport, WireRequest, WireResponse } from './transport.ts';

/** Of the job in the tests. */
export const id = '018bcfe5-6800-7000-8000-000000000001';
/** No answer comes. */
export const lost = (): never => {
  throw new BlixardError('SERVER_UNREACHABLE', { url: 'test', problem: 'reset' });
};
/** An answer of JSON. */
export const json = (status: number, body: unknown): WireResponse => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Readable.from([Buffer.from(JSON.stringify(body))]),
});

/** Answers each request with the next of these, the last one again and again. */
export function scripted(...answers: ((request: WireRequest) => WireResponse | Promise<WireResponse>)[]) {
  const requests: WireRequest[] = [];
  const transport: Transport = {
    url: 'test',
    send: async (request) => {
      request.signal?.throwIfAborted();
      requests.push(request);
      const answer = answers[Math.min(requests.length, answers.length) - 1];
      return answer === undefined ? lost() : answer(request);
    },
    close: () => Promise.resolve(),
  };
  return { client: new BlixardClient({ transport }), requests };
}
