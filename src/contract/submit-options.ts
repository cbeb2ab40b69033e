/** What a submission may say of when a job starts, how often it may be there, and how it is found again. */
import { defaults } from '../domain/defaults.ts';
import { isolations } from '../domain/isolation.ts';
import { limits, priorityStepMs } from '../domain/limits.ts';
import { Retry } from './retry-policy.ts';
import { oneOf, strict, textPattern, timeMs, wholeNumber } from './schema.ts';
import { togetherOptions } from './together.ts';
import { type Static, Type } from './typebox.ts';

export const labelNamePattern = '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$';
/** A label as one text: name=value. */
export const labelPattern = '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}=[^\\u0000\\ud800-\\udfff]{0,200}$';
export const tenantPattern = '^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$';
export const idempotencyKeyPattern = `^[\\x21-\\x7e]{1,${limits.idempotencyKeyLength}}$`;

/** Headers of a call that may be repeated with the same key; `kept` says for how long. */
export function idempotencyHeaders(kept: string) {
  return Type.Object({
    'idempotency-key': Type.Optional(Type.String({ pattern: idempotencyKeyPattern, description: kept })),
  });
}

/** What to do while a job of the queue with the same key has not ended. */
export const uniquePolicies = ['reject', 'existing', 'replace', 'debounce'] as const;
export type UniquePolicy = (typeof uniquePolicies)[number];

const uniqueWords =
  'reject: 409 UNIQUE_CONFLICT. existing: that job is the answer. replace: it is cancelled and this one stored. ' +
  'debounce: its start moves to when this one would start. The last two refuse once a worker has the job.';

const Unique = strict({
  key: Type.String({ pattern: textPattern, minLength: 1, maxLength: limits.uniqueKeyLength }),
  policy: Type.Optional(oneOf(uniquePolicies, { default: 'reject', description: uniqueWords })),
});

/** All may be left out, and what is left out is not in the spec. */
export const submitOptions = {
  priority: Type.Optional(
    Type.Integer({
      minimum: -limits.priorityMax,
      maximum: limits.priorityMax,
      description: `0 when left out; one step is worth ${priorityStepMs / 60_000} minute of waiting`,
    }),
  ),
  delayMs: Type.Optional(
    Type.Integer({ minimum: 0, maximum: limits.delayMsMax, description: 'start not before this has passed' }),
  ),
  runAtMs: Type.Optional(
    wholeNumber(0, { description: 'start not before then, epoch milliseconds, at most a year ahead' }),
  ),
  expireInMs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.delayMsMax,
      description: 'fail as expired when not started this long after it was due; a retry expires no more',
    }),
  ),
  unique: Type.Optional(Unique),
  retry: Type.Optional(Retry),
  labels: Type.Optional(
    Type.Record(
      Type.String({ pattern: labelNamePattern }),
      Type.String({ pattern: textPattern, maxLength: limits.labelValueLength }),
      { maxProperties: limits.labelsMax, additionalProperties: false },
    ),
  ),
  tenant: Type.Optional(
    Type.String({ pattern: tenantPattern, description: `whose job it is; ${defaults.tenant} when left out` }),
  ),
  isolation: Type.Optional(
    oneOf(isolations, {
      description:
        `how far it is kept apart, ${defaults.isolation} when left out; maximum: a new VM, of a template of its ` +
        'tenant alone; standard: a new VM; shared: a VM that may have served jobs of the same queue and tenant before',
    }),
  ),
  zygote: Type.Optional(
    Type.Boolean({
      description: 'false: never by an interpreter that runs already, always by a start of its own',
    }),
  ),
  ...togetherOptions,
};

const SubmitOptions = Type.Object(submitOptions);
export type SubmitOptions = Static<typeof SubmitOptions>;

const names = Object.keys(submitOptions) as (keyof SubmitOptions)[];

/** The options that were given. */
export function submitOptionsOf(given: SubmitOptions): SubmitOptions {
  // Most jobs have none.
  if (names.every((name) => given[name] === undefined)) return {};
  return Object.fromEntries(
    names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  );
}

/** What jobs can be searched by. */
export const searchQuery = {
  label: Type.Optional(
    Type.Array(Type.String({ pattern: labelPattern }), {
      maxItems: limits.labelsSearched,
      description: 'name=value; give it again for jobs that have all of them',
    }),
  ),
  tenant: submitOptions.tenant,
  group: submitOptions.group,
  text: Type.Optional(
    Type.String({
      pattern: textPattern,
      minLength: 1,
      maxLength: limits.searchTextLength,
      description: 'stands in the command, arguments joined by blanks; A-Z and a-z are the same',
    }),
  ),
  createdAfterMs: Type.Optional(timeMs),
  createdBeforeMs: Type.Optional(timeMs),
};
