/** Handlers of logs: a range of the log of one attempt, or the log of a job followed to its end. */
import type { Job } from '../../../contract/job.ts';
import { logRangeHeaders } from '../../../contract/log-range.ts';
import type { QueryOf } from '../../../contract/routes.ts';
import { BlixardError } from '../../../domain/errors.ts';
import { attemptHasEnded, followLogs, type Place } from '../../logs/follow.ts';
import { readRange } from '../../logs/range.ts';
import { Followers } from '../followers.ts';
import { badValue } from '../validation.ts';
import type { AppDeps, Call, Handlers, StreamReply } from './handler.ts';

type LogQuery = QueryOf<'readLogs'>;

/** Ranges and followers; counts followers against `limits.followersMax`. */
export function logHandlers(deps: AppDeps): Pick<Handlers, 'readLogs'> {
  const { queries, logs } = deps;
  const followers = new Followers({ of: 'logs', log: deps.log });

  const follow = async (job: Job, call: Call<'readLogs'>): Promise<StreamReply> => {
    const from = placeOf(call, job);
    // Refuses an offset inside a record as long as there is a status to say so with.
    await logs.reader(job.id, from.attempt, from.offset).missing();
    return followers.reply(followLogs(deps, job.id, from, call.signal));
  };

  const range = async (job: Job, query: LogQuery): Promise<StreamReply> => {
    const attempt = query.attempt ?? job.attempt;
    assertAttempt(job, attempt, job.attempt);
    const { body, nextOffset, missingBytes, atEnd } = await readRange(logs, job.id, attempt, query);
    const headers = {
      'content-type': 'application/octet-stream',
      [logRangeHeaders.attempt]: String(attempt),
      [logRangeHeaders.nextOffset]: String(nextOffset),
      [logRangeHeaders.missingBytes]: String(missingBytes),
      // The job was read before the log: what had ended then has its whole log now.
      [logRangeHeaders.ended]: String(atEnd && attemptHasEnded(job, attempt)),
    };
    return { headers, body };
  };

  return {
    readLogs: async (call) => {
      const job = await queries.get(call.params.id);
      return call.query.follow ? follow(job, call) : range(job, call.query);
    },
  };
}

/**
 * Where to start: after the event the client had last, else at the attempt it asks for, else at the newest.
 */
function placeOf({ query, lastEventId }: Call<'readLogs'>, job: Job): Place {
  const newest = Math.max(1, job.attempt);
  const asked =
    lastEventId === undefined
      ? { attempt: query.attempt ?? newest, offset: query.offset ?? 0 }
      : parse(lastEventId);
  assertAttempt(job, asked.attempt, newest);
  return asked;
}

function parse(lastEventId: string): Place {
  const match = /^([1-9]\d{0,14}):(\d{1,15})$/.exec(lastEventId);
  if (match === null) throw badValue('last-event-id', lastEventId, 'attempt:offset, the id of an event');
  return { attempt: Number(match[1]), offset: Number(match[2]) };
}

function assertAttempt(job: Job, attempt: number, newest: number): void {
  if (attempt > newest) throw new BlixardError('ATTEMPT_NOT_FOUND', { jobId: job.id, attempt });
}
