/**
 * The log of one attempt on disk: appends at an offset, one after another, and drops the middle when it is
 * too long.
 */
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeLogRecords, logHeaderBytes } from '../../contract/log.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { syncDirectory } from '../../platform/files.ts';
import { findSegments } from './find-segments.ts';
import { endOf, outputEndOf, readSliceIfThere, type Segment, segmentName, wholeRecords } from './segment.ts';
import { roomIn, type SegmentPlan, toDrop } from './segments.ts';

/**
 * One attempt's log. Readers may read `segments` at any time: a record is in it only when it is whole on
 * disk.
 */
export class AttemptLog {
  readonly #name: { readonly jobId: string; readonly attempt: number };
  readonly #dir: string;
  readonly #plan: SegmentPlan;
  readonly #segments: Segment[];
  #writer: FileHandle | undefined;
  #synced = false;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  private constructor(name: AttemptLog['name'], dir: string, plan: SegmentPlan, segments: Segment[]) {
    this.#name = name;
    this.#dir = dir;
    this.#plan = plan;
    this.#segments = segments;
  }

  /** Finds what is on disk; a record torn by a crash is cut off. No folder is an empty log. */
  static async open(name: AttemptLog['name'], dir: string, plan: SegmentPlan): Promise<AttemptLog> {
    return new AttemptLog(name, dir, plan, await findSegments(dir));
  }

  get name(): { readonly jobId: string; readonly attempt: number } {
    return this.#name;
  }

  /** In order of their start. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get end(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 0 : endOf(last);
  }

  pathOf(segment: Segment): string {
    return join(this.#dir, segmentName(segment));
  }

  /**
   * Appends whole records and gives the new end. What of them is there already is skipped. Rejects with
   * VALIDATION_FAILED, LOG_OFFSET_MISMATCH, OVERLOADED, or the error of the disk; then only whole records
   * of it stay, and sending the same again is safe.
   */
  append(offset: number, bytes: Buffer, gap: boolean): Promise<number> {
    assertWhole(bytes);
    return this.#inTurn(async () => {
      const known = this.end - offset;
      if (known < 0 && !gap) throw this.#mismatch(offset);
      if (known > 0) await this.#assertKnown(offset, bytes);
      const unknown = bytes.subarray(Math.max(0, known));
      if (unknown.length > 0) await this.#write(unknown, Math.max(0, -known));
      return this.end;
    });
  }

  /** Puts all of it on disk for good and lets go of the file. */
  seal(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#synced || this.#segments.length === 0) return;
      for (const segment of this.#segments) await syncFile(this.pathOf(segment));
      await syncDirectory(this.#dir);
      this.#synced = true;
      await this.#letGo();
    });
  }

  /** Lets go of the file; the log can be opened again. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#letGo());
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    if (this.#waiting >= limits.logUploadsWaiting) {
      return Promise.reject(new BlixardError('OVERLOADED', { problem: 'uploads to the log of one attempt' }));
    }
    this.#waiting++;
    const turn = this.#last.then(act);
    const over = (): void => {
      this.#waiting--;
    };
    this.#last = turn.then(over, over);
    return turn;
  }

  /** Refuses an upload that overlaps what is stored with other bytes, or that ends inside a stored record. */
  async #assertKnown(offset: number, bytes: Buffer): Promise<void> {
    const known = Math.min(this.end - offset, bytes.length);
    if (wholeRecords(bytes, known).bytes !== known) throw this.#mismatch(offset);
    for (const segment of this.#segments) {
      const from = Math.max(segment.start, offset);
      const to = Math.min(endOf(segment), offset + known);
      if (from >= to) continue;
      const stored = await readSliceIfThere(this.pathOf(segment), from - segment.start, to - from);
      if (!stored?.equals(bytes.subarray(from - offset, to - offset))) throw this.#mismatch(offset);
    }
  }

  async #write(records: Buffer, lost: number): Promise<void> {
    this.#synced = false;
    if (lost > 0 || this.#segments.length === 0) await this.#startSegment(lost);
    for (let rest = records; rest.length > 0; ) rest = rest.subarray(await this.#writePiece(rest));
  }

  /** Writes as many of the records as go into one segment; gives their bytes. */
  async #writePiece(records: Buffer): Promise<number> {
    const first = logHeaderBytes + records.readUInt32LE(logHeaderBytes - 4);
    let segment = this.#segments.at(-1);
    let room = segment === undefined ? 0 : roomIn(this.#plan, segment, first);
    if (segment === undefined || room === 0) {
      segment = await this.#startSegment(0);
      room = roomIn(this.#plan, segment, first);
    }
    const whole = wholeRecords(records, Math.min(room, records.length));
    await this.#writeTo(segment, records.subarray(0, whole.bytes));
    segment.bytes += whole.bytes;
    segment.output += whole.output;
    await this.#dropMiddle();
    return whole.bytes;
  }

  /**
   * A new last segment; `lost` bytes before it never arrived. How much of them was output nobody knows: at
   * most all.
   */
  async #startSegment(lost: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    const outputStart = (last === undefined ? 0 : outputEndOf(last)) + lost;
    const segment = { start: this.end + lost, outputStart, bytes: 0, output: 0 };
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await this.#letGo();
    this.#writer = await open(this.pathOf(segment), 'w', 0o600);
    this.#segments.push(segment);
    return segment;
  }

  async #writeTo(segment: Segment, bytes: Buffer): Promise<void> {
    this.#writer ??= await open(this.pathOf(segment), 'r+');
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.#writer.write(bytes, at, bytes.length - at, segment.bytes + at);
        at += bytesWritten;
      }
    } catch (error) {
      await this.#writer.truncate(segment.bytes);
      throw error;
    }
  }

  async #dropMiddle(): Promise<void> {
    for (let drop = toDrop(this.#plan, this.#segments); drop !== undefined; ) {
      this.#segments.splice(this.#segments.indexOf(drop), 1);
      await rm(this.pathOf(drop), { force: true });
      drop = toDrop(this.#plan, this.#segments);
    }
  }

  async #letGo(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
  }

  #mismatch(offset: number): BlixardError {
    return new BlixardError('LOG_OFFSET_MISMATCH', { ...this.#name, offset, expectedOffset: this.end });
  }
}

function assertWhole(bytes: Buffer): void {
  const { usedBytes } = decodeLogRecords(bytes);
  if (usedBytes === bytes.length) return;
  const torn = bytes.length - usedBytes;
  throw new BlixardError('VALIDATION_FAILED', {
    field: 'body',
    value: `${bytes.length} bytes`,
    allowed: 'whole log records',
    problem: `ends inside a log record: ${torn} bytes after byte ${usedBytes} are no whole one`,
  });
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
