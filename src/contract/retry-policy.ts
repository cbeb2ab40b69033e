/** What a submission may say of retries: the back-off, and rules of their own for reasons of the job's own failures. */
import { limits } from '../domain/limits.ts';
import { backoffTypes, defaultBackoff, memoryFactorMax } from '../domain/retry.ts';
import { oneOf, strict } from './schema.ts';
import { type Static, Type } from './typebox.ts';

export const Backoff = strict({
  type: oneOf(backoffTypes, { default: defaultBackoff.type }),
  delayMs: Type.Integer({ minimum: 0, maximum: limits.delayMsMax, default: defaultBackoff.delayMs }),
  delayMaxMs: Type.Integer({
    minimum: 0,
    maximum: limits.delayMsMax,
    default: defaultBackoff.delayMaxMs,
    description: 'no wait is longer; not less than delayMs, which raises it where it is left out',
  }),
  jitter: Type.Number({
    minimum: 0,
    maximum: 1,
    default: defaultBackoff.jitter,
    description: 'share of the wait that is random, taken off it: 0 none, 1 anything from 0 to all of it',
  }),
});

const ofReason = {
  attemptsMax: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.attemptsMax,
      description:
        'attempts that may end so, counted by themselves; left out, they count against the attemptsMax of all',
    }),
  ),
  backoff: Type.Optional(
    Type.Partial(Backoff, {
      additionalProperties: false,
      description: 'what is left out is as in the backoff of the job; what is here goes before that',
    }),
  ),
};
const Rule = Type.Optional(strict(ofReason));

/** Rules for single reasons; a reason without one goes by `attemptsMax` and `backoff` of the job. */
export const Retry = strict({
  exit: Rule,
  signal: Rule,
  timeout: Rule,
  oom: Type.Optional(
    strict({
      ...ofReason,
      memoryFactor: Type.Optional(
        Type.Number({
          minimum: 1,
          maximum: memoryFactorMax,
          description: 'memory of the next attempt for that of this',
        }),
      ),
      memoryMiBMax: Type.Optional(
        Type.Integer({
          minimum: limits.memoryMiBMin,
          maximum: limits.memoryMiBMax,
          description: 'no attempt gets more; not less than memoryMiB',
        }),
      ),
    }),
  ),
  disk_full: Rule,
});
export type Retry = Static<typeof Retry>;
