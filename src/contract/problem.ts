/** Errors on the wire: RFC 9457 problem+json with a stable `code`. */
import { BlixardError, type ErrorCode, type ErrorDetails, errorCatalogue } from '../domain/errors.ts';
import { oneOf, strict } from './schema.ts';
import { type Static, Type } from './typebox.ts';

export const problemContentType = 'application/problem+json';

export const Problem = strict({
  type: Type.String({ description: 'urn:blixard:error:CODE' }),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String(),
  fault: oneOf(['caller', 'system', 'transient']),
  hint: Type.String(),
  details: Type.Record(
    Type.String(),
    Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
  ),
  requestId: Type.Optional(Type.String()),
});
export type Problem = Static<typeof Problem>;

export function problemOfError(error: BlixardError, requestId?: string): Problem {
  return {
    type: `urn:blixard:error:${error.code}`,
    title: error.message,
    status: error.entry.status,
    code: error.code,
    fault: error.entry.fault,
    hint: error.entry.hint,
    details: { ...error.details },
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** The error a problem tells of; undefined when the body is no problem of this catalogue. */
export function errorOfProblem(body: unknown): BlixardError | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { code, details } = body as { code?: unknown; details?: unknown };
  if (typeof code !== 'string' || !(code in errorCatalogue)) return undefined;
  return new BlixardError(code as ErrorCode, (details ?? {}) as ErrorDetails);
}
