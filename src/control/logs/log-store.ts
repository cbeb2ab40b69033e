/** The logs of all attempts: files on disk, opened when needed, with wake-ups for those who follow them. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BlixardError } from '../../domain/errors.ts';
import { isUuidV7 } from '../../domain/ids.ts';
import { limits } from '../../domain/limits.ts';
import { failpoint } from '../../platform/failpoint.ts';
import { AttemptLog } from './attempt-log.ts';
import { diskError } from './disk-error.ts';
import { LogReader } from './log-reader.ts';
import { outputEndOf } from './segment.ts';
import { missingAfter, planFor, type SegmentPlan } from './segments.ts';

/** How long a log is. */
export interface LogSize {
  /** Where the next upload goes. */
  readonly endOffset: number;
  /** What the command wrote, kept or not. */
  readonly outputBytes: number;
  /** What of it is not kept. */
  readonly missingBytes: number;
}

interface OpenLog {
  readonly log: Promise<AttemptLog>;
  users: number;
}

/**
 * Logs of attempts, in `dir/<job id>/<attempt>/`. Of each, `keepBytes` stay: half from the start, half from
 * the end.
 *
 * A worker reports the end of an attempt only after its last upload was answered. So whoever sees in the
 * store that an attempt has ended, and *then* reads its log to the end, has all of it. (An attempt that
 * ended because its worker was lost may still get an upload that was under way.)
 */
export class LogStore {
  readonly #dir: string;
  readonly #plan: SegmentPlan;
  /** Least recently used first. */
  readonly #open = new Map<string, OpenLog>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(deps: { dir: string; keepBytes: number }) {
    this.#dir = deps.dir;
    this.#plan = planFor(deps.keepBytes);
  }

  /**
   * Appends whole records at `offset` and gives the new end; what is there already is skipped. With `gap`
   * what lies between the end and `offset` is lost. Rejects with VALIDATION_FAILED, LOG_OFFSET_MISMATCH,
   * OVERLOADED, STORE_FULL or STORE_UNAVAILABLE.
   */
  async append(jobId: string, attempt: number, offset: number, bytes: Buffer, gap = false): Promise<number> {
    const end = await this.#use(jobId, attempt, (log) => log.append(offset, bytes, gap));
    failpoint('log-appended');
    for (const wake of this.#listeners.get(keyOf(jobId, attempt)) ?? []) wake();
    return end;
  }

  /** A reader from `offset` on. */
  reader(jobId: string, attempt: number, offset = 0): LogReader {
    return new LogReader({ use: (act) => this.#use(jobId, attempt, act), offset });
  }

  size(jobId: string, attempt: number): Promise<LogSize> {
    return this.#use(jobId, attempt, async ({ segments, end }) => {
      const last = segments.at(-1);
      return {
        endOffset: end,
        outputBytes: last === undefined ? 0 : outputEndOf(last),
        missingBytes: missingAfter(segments, 0),
      };
    });
  }

  /**
   * Puts the log on disk for good, before its attempt is told to have ended. Rejects with
   * STORE_UNAVAILABLE.
   */
  seal(jobId: string, attempt: number): Promise<void> {
    return this.#use(jobId, attempt, (log) => log.seal());
  }

  /**
   * Removes all logs of a job; when there are none, nothing. A reader of one sees it end. Rejects with
   * STORE_UNAVAILABLE.
   */
  async remove(jobId: string): Promise<void> {
    if (!isUuidV7(jobId)) return;
    for (const [key, { log }] of this.#open) {
      if (!key.startsWith(`${jobId}/`)) continue;
      this.#open.delete(key);
      await (await log).close();
    }
    try {
      await rm(join(this.#dir, jobId), { recursive: true, force: true });
    } catch (error) {
      throw diskError(error);
    }
  }

  /** Calls `wake` after every append to this log, until the function it gives is called. */
  onAppend(jobId: string, attempt: number, wake: () => void): () => void {
    const key = keyOf(jobId, attempt);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(wake));
    return () => {
      listeners.delete(wake);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    };
  }

  /** Logs that somebody waits for. */
  get listened(): number {
    return this.#listeners.size;
  }

  async close(): Promise<void> {
    const logs = [...this.#open.values()];
    this.#open.clear();
    for (const { log } of logs) await (await log).close();
  }

  async #use<T>(jobId: string, attempt: number, act: (log: AttemptLog) => Promise<T>): Promise<T> {
    const key = keyOf(jobId, attempt);
    const entry = this.#open.get(key) ?? { log: this.#openLog(jobId, attempt), users: 0 };
    this.#open.delete(key);
    this.#open.set(key, entry);
    entry.users++;
    try {
      return await act(await this.#opened(key, entry));
    } catch (error) {
      throw diskError(error);
    } finally {
      entry.users--;
      await this.#closeIdle();
    }
  }

  /** A log that could not be opened is tried anew by the next who wants it. */
  async #opened(key: string, entry: OpenLog): Promise<AttemptLog> {
    try {
      return await entry.log;
    } catch (error) {
      if (this.#open.get(key) === entry) this.#open.delete(key);
      throw error;
    }
  }

  #openLog(jobId: string, attempt: number): Promise<AttemptLog> {
    // A job id becomes a folder: nothing but an id may.
    if (!isUuidV7(jobId)) return Promise.reject(new BlixardError('JOB_NOT_FOUND', { jobId }));
    const dir = join(this.#dir, jobId, String(attempt));
    return AttemptLog.open({ jobId, attempt }, dir, this.#plan);
  }

  async #closeIdle(): Promise<void> {
    if (this.#open.size <= limits.openLogs) return;
    for (const [key, entry] of this.#open) {
      if (entry.users > 0) continue;
      this.#open.delete(key);
      await (await entry.log).close();
      return;
    }
  }
}

function keyOf(jobId: string, attempt: number): string {
  return `${jobId}/${attempt}`;
}
