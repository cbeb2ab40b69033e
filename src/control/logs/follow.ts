/** The log of a job as server-sent events, from a place in it to the end of the job. */
import type { Job } from '../../contract/job.ts';
import { decodeLogRecords, logHeaderBytes } from '../../contract/log.ts';
import type { EndEvent, GapEvent, LogEvent } from '../../contract/log-events.ts';
import { defaults } from '../../domain/defaults.ts';
import { heldStates, isEnded } from '../../domain/job.ts';
import type { Clock } from '../../platform/clock.ts';
import type { JobQueries } from '../job-queries.ts';
import type { Signals } from '../signals.ts';
import { sseComment, sseEvent } from '../sse.ts';
import { Wakeup } from '../wakeup.ts';
import type { LogPiece } from './log-reader.ts';
import type { LogStore } from './log-store.ts';

/** What following works with. */
export interface FollowDeps {
  readonly queries: JobQueries;
  readonly signals: Signals;
  readonly logs: LogStore;
  readonly clock: Clock;
}

/** Where in the logs of a job. */
export interface Place {
  readonly attempt: number;
  readonly offset: number;
}

/** True when no more output of this attempt will come. */
export function attemptHasEnded(job: Job, attempt: number): boolean {
  const isHeld = (heldStates as readonly string[]).includes(job.state);
  return isEnded(job.state) || attempt < job.attempt || (attempt === job.attempt && !isHeld);
}

/**
 * Text of events: first a comment, then `log` and `gap`, all with ids `attempt:offset` to resume from, a comment now
 * and then when there is nothing to say, `end` last. Ends without it when `signal` aborts. Sleeps until a change is
 * signalled; never polls.
 */
export async function* followLogs(
  deps: FollowDeps,
  jobId: string,
  from: Place,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const wakeup = new Wakeup({ clock: deps.clock, signal });
  const watched = new WatchedJob(deps, jobId, wakeup);
  try {
    // Sends the headers at once, and where it begins: for who asked for the newest, that may be another one next time.
    yield sseComment('following', `${from.attempt}:${from.offset}`);
    for (let place = from; ; place = { attempt: place.attempt + 1, offset: 0 }) {
      const job = yield* followAttempt(deps, watched, place, wakeup);
      if (job === undefined) return;
      if (place.attempt >= job.attempt) return yield sseEvent('end', { job } satisfies EndEvent);
    }
  } finally {
    watched.forget();
  }
}

/**
 * All of one attempt; gives the job once there will be no more of it, or undefined when nobody listens any
 * more.
 */
async function* followAttempt(
  deps: FollowDeps,
  watched: WatchedJob,
  place: Place,
  wakeup: Wakeup,
): AsyncGenerator<string, Job | undefined> {
  const reader = deps.logs.reader(watched.jobId, place.attempt, place.offset);
  const stopListening = deps.logs.onAppend(watched.jobId, place.attempt, () => wakeup.wake());
  try {
    for (;;) {
      // The job first, then its log: what has ended by then has its whole log by then.
      const job = await watched.get();
      for (let piece = await reader.next(); piece !== undefined; piece = await reader.next()) {
        yield pieceText(piece, place.attempt);
      }
      if (isEnded(job.state) || place.attempt < job.attempt) return job;
      const why = await wakeup.next(defaults.followHeartbeatMs);
      if (why === 'aborted') return undefined;
      if (why === 'silence') yield sseComment('still here');
    }
  } finally {
    stopListening();
  }
}

/** A job that is read again only when it has changed. */
class WatchedJob {
  readonly jobId: string;
  readonly forget: () => void;
  readonly #queries: JobQueries;
  #job: Job | undefined;
  #changes = 0;

  constructor(deps: FollowDeps, jobId: string, wakeup: Wakeup) {
    this.jobId = jobId;
    this.#queries = deps.queries;
    this.forget = deps.signals.onChanged(jobId, () => {
      this.#job = undefined;
      this.#changes++;
      wakeup.wake();
    });
  }

  async get(): Promise<Job> {
    if (this.#job !== undefined) return this.#job;
    const changes = this.#changes;
    const job = await this.#queries.get(this.jobId);
    // A change while the store answered may not be in its answer.
    if (changes === this.#changes) this.#job = job;
    return job;
  }
}

/** The events of one piece, each with the offset behind it. */
function pieceText(piece: LogPiece, attempt: number): string {
  const { records } = decodeLogRecords(piece.records);
  let offset = piece.nextOffset - piece.records.length;
  const events: string[] = [];
  if (piece.missingBytes > 0) {
    events.push(
      sseEvent(
        'gap',
        { attempt, missingBytes: piece.missingBytes } satisfies GapEvent,
        `${attempt}:${offset}`,
      ),
    );
  }
  for (const { stream, atMs, data } of records) {
    offset += logHeaderBytes + data.length;
    const log: LogEvent = { attempt, stream, atMs, dataBase64: data.toString('base64') };
    events.push(sseEvent('log', log, `${attempt}:${offset}`));
  }
  return events.join('');
}
