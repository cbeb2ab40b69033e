/** Handlers of jobs, their attempts and events. */
import type { Attempt, SubmitJob } from '../../../contract/job.ts';
import { limits } from '../../../domain/limits.ts';
import type { LogStore } from '../../logs/log-store.ts';
import { forEachLine } from '../../submit/batch-line.ts';
import { ToldJobs } from '../../submit/new-job.ts';
import { badValue } from '../validation.ts';
import type { AppDeps, Handlers } from './handler.ts';

type JobRoutes =
  | 'submitJob'
  | 'submitJobs'
  | 'listJobs'
  | 'getJob'
  | 'cancelJob'
  | 'retryJob'
  | 'listAttempts'
  | 'listJobEvents';

/** Commands and queries of jobs. */
export function jobHandlers({
  jobs,
  queries,
  logs,
}: Pick<AppDeps, 'jobs' | 'queries'> & { readonly logs: Pick<LogStore, 'size'> }): Pick<Handlers, JobRoutes> {
  const withLogSize = async (attempt: Attempt): Promise<Attempt> => {
    const { outputBytes, missingBytes } = await logs.size(attempt.jobId, attempt.attempt);
    return { ...attempt, logBytes: outputBytes, logMissingBytes: missingBytes };
  };
  return {
    submitJob: async ({ body, headers }) => {
      assertArgBytes(body);
      return await jobs.submit(body, headers['idempotency-key']);
    },
    submitJobs: async ({ body }) => {
      forEachLine(body, (line) => assertArgBytes(line));
      return new ToldJobs(await jobs.submitAll(body));
    },
    listJobs: ({ query }) => queries.list(query),
    getJob: ({ params, query, signal }) => queries.waitEnded(params.id, query.waitMs ?? 0, signal),
    cancelJob: ({ params, body }) => jobs.cancel(params.id, body.reason, body.by),
    retryJob: ({ params, headers, body: { delayMs, attempt } }) =>
      jobs.retry(params.id, delayMs, { attempt, idempotencyKey: headers['idempotency-key'] }),
    listAttempts: async ({ params }) => {
      const attempts: Attempt[] = [];
      // One after another: a job may have hundreds, each with files to look at.
      for (const attempt of await queries.attempts(params.id)) attempts.push(await withLogSize(attempt));
      return { attempts };
    },
    listJobEvents: ({ params, query }) => queries.events(params.id, query),
  };
}

const argAllowed = `text of at most ${limits.argBytes} bytes in UTF-8`;

/** The schema counts characters; what Linux limits is bytes. Throws VALIDATION_FAILED. */
export function assertArgBytes({ command, env }: SubmitJob, within = ''): void {
  for (const [index, text] of command.entries()) {
    if (isTooLong(text)) throw badValue(`${within}command.${index}`, text, argAllowed);
  }
  for (const [name, text] of Object.entries(env ?? {})) {
    if (isTooLong(text)) throw badValue(`${within}env.${name}`, text, argAllowed);
  }
  if (command[0] === '') throw badValue(`${within}command.0`, '', 'the name or the path of a program');
}

/** A character is at most three bytes; only a text of nearly the limit need be measured. */
function isTooLong(text: string): boolean {
  return text.length * 3 > limits.argBytes && Buffer.byteLength(text) > limits.argBytes;
}
