/** Path parameters and bodies that routes share. */
import { limits } from '../domain/limits.ts';
import { JobId } from './job.ts';
import { strict, textPattern, wholeNumber } from './schema.ts';
import { idempotencyHeaders } from './submit-options.ts';
import { Type } from './typebox.ts';
import { WorkerId } from './worker.ts';

/** A full job id, or the unique start of one. */
const JobIdOrPrefix = Type.String({
  pattern: '^[0-9a-f-]{4,36}$',
  description: 'job id or a unique start of one',
});

/** Of a job, for its users. */
export const jobParams = strict({ id: JobIdOrPrefix });
/** Of a worker. */
export const workerParams = strict({ id: WorkerId });
/** Of an attempt, for its worker. */
export const attemptParams = strict({ id: JobId, attempt: wholeNumber(1) });
/** Why, and who says so. */
export const cancelBody = strict({
  reason: Type.Optional(Type.String({ pattern: textPattern, maxLength: limits.reasonLength })),
  by: Type.Optional(
    Type.String({ pattern: textPattern, maxLength: limits.actorLength, description: 'who cancels' }),
  ),
});
/** Of a retry. */
export const retryHeaders = idempotencyHeaders(
  'of this job, kept until a retry with another key; the same key gives the job as it is now',
);
/** When it runs again, and which attempt the caller has seen. */
export const retryBody = strict({
  delayMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.delayMsMax })),
  attempt: Type.Optional(
    wholeNumber(0, { description: 'only if this is its newest attempt, 0 before the first' }),
  ),
});
/** A worker names the generation it means; an operator means any. */
export const ofGeneration = strict({ generation: Type.Optional(wholeNumber(1)) });
