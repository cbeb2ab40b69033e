/** Jobs that run after others, and groups of jobs, on the wire. */
import { uuidPattern } from '../domain/ids.ts';
import { limits } from '../domain/limits.ts';
import { nullable, oneOf, strict, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';

/** The name of a group. */
export const groupPattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';

/** What becomes of a job when one that it runs after has failed or was cancelled. */
export const afterFailedPolicies = ['fail', 'run', 'skip'] as const;
export type AfterFailed = (typeof afterFailedPolicies)[number];

const afterFailedWords =
  'fail: it ends as that job did, failed or cancelled. run: it runs all the same. skip: it ends as cancelled.';

/** Fields of a submission; all may be left out. */
export const togetherOptions = {
  after: Type.Optional(
    Type.Array(Type.String({ pattern: uuidPattern }), {
      maxItems: limits.parentsMax,
      description: 'ids of the jobs that must have ended before; stored ones, or of the same batch',
    }),
  ),
  afterFailed: Type.Optional(oneOf(afterFailedPolicies, { default: 'fail', description: afterFailedWords })),
  group: Type.Optional(
    Type.String({
      pattern: groupPattern,
      description: 'name of a group, which is there as long as it has jobs',
    }),
  ),
};

/** All jobs of one group, added up. */
export const Group = strict({
  name: Type.String(),
  counts: Type.Record(Type.String(), wholeNumber(0), {
    description: 'jobs per state, kept by the writes; states with none left out',
  }),
  finished: Type.Boolean({ description: 'all of its jobs have ended' }),
  oldestAtMs: nullable(timeMs),
  newestAtMs: nullable(timeMs),
});
export type Group = Static<typeof Group>;

export const GroupPage = strict({
  groups: Type.Array(Group),
  nextCursor: nullable(Type.String({ description: 'give it as cursor for the next page' })),
});
export type GroupPage = Static<typeof GroupPage>;

export const GroupCancelled = strict({
  cancelled: wholeNumber(0, { description: 'jobs that have ended with this call' }),
  stopping: wholeNumber(0, { description: 'running jobs that are being stopped since this call' }),
  more: Type.Boolean({ description: 'there may be more of them: call again' }),
});
export type GroupCancelled = Static<typeof GroupCancelled>;
