/** Every error as problem+json: what Fastify and Node call their errors, in the words of the catalogue. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { problemContentType, problemOfError } from '../../contract/problem.ts';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import type { Log } from '../../platform/log.ts';

/**
 * Sends the problem an error tells of. One nobody foresaw is logged with its cause and goes out without its
 * text.
 */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  log: Log,
): FastifyReply {
  const known = knownError(error, request);
  const told = toldError(error, { known, requestId: request.id, url: request.url }, log);
  if (told.code === 'RANGE_NOT_SATISFIABLE') reply.header('content-range', `bytes */${told.details['size']}`);
  return reply
    .code(told.entry.status)
    .type(problemContentType)
    .send(Buffer.from(JSON.stringify(problemOfError(told, request.id))));
}

/** The error a caller is told for one that happened; `known` is what it is in the words of the catalogue, if that. */
export function toldError(
  error: unknown,
  about: { readonly known: BlixardError | undefined; readonly requestId: string; readonly url: string },
  log: Log,
): BlixardError {
  const { requestId, url } = about;
  const known = about.known ?? (error instanceof BlixardError ? error : undefined);
  if (known === undefined) log.error({ err: error, requestId, url }, 'a request failed');
  else if (known.entry.fault === 'system') log.error({ err: known, requestId }, known.message);
  return known ?? new BlixardError('INTERNAL', { problem: `see the log at request ${requestId}` });
}

function knownError(error: unknown, request: FastifyRequest): BlixardError | undefined {
  if (error instanceof BlixardError) return error;
  const { code, statusCode = 500 } = error as Partial<FastifyError>;
  const cause = { cause: error };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new BlixardError('BODY_TOO_LARGE', { maxBytes: request.routeOptions.bodyLimit ?? null }, cause);
  }
  if (statusCode >= 500) return undefined;
  return new BlixardError('HTTP_INVALID', { problem: problemOf(error) }, cause);
}
