/**
 * One reader's place in the log of one attempt: gives whole records, and says what is missing before them.
 */
import { logHeaderBytes } from '../../contract/log.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { AttemptLog } from './attempt-log.ts';
import {
  endOf,
  outputEndOf,
  readSliceIfThere,
  type Segment,
  wholeRecords,
  wholeRecordsOf,
} from './segment.ts';
import { missingAfter } from './segments.ts';

/** Records that follow one another without a gap. */
export interface LogPiece {
  /** Output that is not kept, between the piece before and this one. */
  readonly missingBytes: number;
  /** Whole records as stored. */
  readonly records: Buffer;
  /** Where the next piece starts. */
  readonly nextOffset: number;
}

/** How a reader gets at the log, which may be closed and opened again between two reads. */
export type UseLog = <T>(act: (log: AttemptLog) => Promise<T>) => Promise<T>;

/** What `next` may give at most. */
export interface PieceBounds {
  /** Bytes, though at least one record; never more than `limits.logChunkBytes`. */
  readonly maxBytes?: number;
  /** An offset where a record ends. */
  readonly upTo?: number;
}

/** Reads on from an offset. At most one chunk (`limits.logChunkBytes`) is in memory. */
export class LogReader {
  readonly #use: UseLog;
  #offset: number;
  /** Output before `#offset`; undefined until it has been found. */
  #output: number | undefined;

  constructor(deps: { use: UseLog; offset: number }) {
    this.#use = deps.use;
    this.#offset = deps.offset;
    this.#output = deps.offset === 0 ? 0 : undefined;
  }

  get offset(): number {
    return this.#offset;
  }

  /**
   * The next piece, or undefined when there is no more for now. Rejects with VALIDATION_FAILED when the
   * offset this reader began with is inside a record.
   */
  next(bounds: PieceBounds = {}): Promise<LogPiece | undefined> {
    const upTo = bounds.upTo ?? Number.POSITIVE_INFINITY;
    return this.#use(async (log) => {
      for (;;) {
        const segment = log.segments.find((each) => endOf(each) > this.#offset);
        if (segment === undefined || Math.max(segment.start, this.#offset) >= upTo) return undefined;
        const piece = await this.#read(log, segment, { maxBytes: limits.logChunkBytes, ...bounds, upTo });
        if (piece !== undefined) return piece;
      }
    });
  }

  /** Output missing from here to the end of the log as it is now. */
  missing(): Promise<number> {
    return this.#use(async (log) => {
      const output = await this.#locate(log);
      return output === undefined ? 0 : missingAfter(log.segments, output);
    });
  }

  /** Undefined: the segment is gone, or the rest of it is damaged and now passed over; look again. */
  async #read(
    log: AttemptLog,
    segment: Segment,
    bounds: Required<PieceBounds>,
  ): Promise<LogPiece | undefined> {
    const before = (await this.#locate(log)) ?? segment.outputStart;
    const enters = this.#offset <= segment.start;
    const offset = enters ? segment.start : this.#offset;
    const output = enters ? segment.outputStart : before;
    const records = await recordsAt(log.pathOf(segment), offset - segment.start, {
      maxBytes: bounds.maxBytes,
      available: Math.min(endOf(segment), bounds.upTo) - offset,
    });
    if (records === undefined || records.length === 0) {
      if (log.segments.includes(segment)) this.#offset = endOf(segment);
      return undefined;
    }
    this.#offset = offset + records.length;
    this.#output = output + wholeRecords(records).output;
    return { missingBytes: Math.max(0, output - before), records, nextOffset: this.#offset };
  }

  /** Output before the offset; undefined when the log does not reach it yet. */
  async #locate(log: AttemptLog): Promise<number | undefined> {
    this.#output ??= await outputBefore(log, this.#offset);
    return this.#output;
  }
}

/** Inside a gap nobody knows how much of what lies between is output: all of it, then. */
async function outputBefore(log: AttemptLog, offset: number): Promise<number | undefined> {
  const segment = log.segments.find((each) => endOf(each) >= offset);
  if (segment === undefined) return undefined;
  if (endOf(segment) === offset) return outputEndOf(segment);
  if (segment.start >= offset) return Math.max(0, segment.outputStart - (segment.start - offset));
  const whole = await wholeRecordsOf(log.pathOf(segment), offset - segment.start);
  if (whole.bytes === offset - segment.start) return segment.outputStart + whole.output;
  throw new BlixardError('VALIDATION_FAILED', {
    field: 'offset',
    value: String(offset),
    allowed: 'an offset told by an earlier range',
    problem: `${offset} is inside a record; allowed: an offset told by an earlier range`,
  });
}

/** Whole records from a position: at most `maxBytes`, but at least one; undefined when the file is gone. */
async function recordsAt(
  path: string,
  position: number,
  bounds: { readonly maxBytes: number; readonly available: number },
): Promise<Buffer | undefined> {
  const maxBytes = Math.min(bounds.maxBytes, limits.logChunkBytes);
  const wanted = Math.max(maxBytes, logHeaderBytes + limits.logRecordBytes);
  const bytes = await readSliceIfThere(path, position, Math.min(wanted, bounds.available));
  if (bytes === undefined || bytes.length < logHeaderBytes) return bytes;
  const first = logHeaderBytes + bytes.readUInt32LE(logHeaderBytes - 4);
  const whole = wholeRecords(bytes, Math.min(bytes.length, Math.max(maxBytes, first)));
  return bytes.subarray(0, whole.bytes);
}
