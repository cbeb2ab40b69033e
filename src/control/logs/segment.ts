/** One file of a log: its name says where it starts, and its whole records are all that counts of it. */
import { type FileHandle, open } from 'node:fs/promises';
import { logHeaderBytes, readLogHeader } from '../../contract/log.ts';
import { limits } from '../../domain/limits.ts';

/** Offsets count stored bytes, headers included; output counts what the command wrote. */
export interface Segment {
  /** Offset of its first byte. */
  readonly start: number;
  /** Output before it, from the start of the log, missing output included. */
  readonly outputStart: number;
  bytes: number;
  output: number;
}

/** Offset behind its last byte. */
export function endOf(segment: Segment): number {
  return segment.start + segment.bytes;
}

/** Output from the start of the log to its end. */
export function outputEndOf(segment: Segment): number {
  return segment.outputStart + segment.output;
}

/** The file's name: both starts, padded so that names sort like numbers. */
export function segmentName(segment: Pick<Segment, 'start' | 'outputStart'>): string {
  return `${padded(segment.start)}-${padded(segment.outputStart)}.log`;
}

/** Where a segment of this file name starts; undefined when it is no such name. */
export function parseSegmentName(name: string): Pick<Segment, 'start' | 'outputStart'> | undefined {
  const match = /^(\d{16})-(\d{16})\.log$/.exec(name);
  return match === null ? undefined : { start: Number(match[1]), outputStart: Number(match[2]) };
}

function padded(offset: number): string {
  return String(offset).padStart(16, '0');
}

/** The whole records at the start of some bytes. */
export interface Whole {
  readonly bytes: number;
  readonly output: number;
  /** What follows is no record, not even the start of one. */
  readonly damaged: boolean;
}

/** Walks whole records while they end at or before `upTo`. */
export function wholeRecords(bytes: Buffer, upTo: number = bytes.length): Whole {
  let at = 0;
  let output = 0;
  while (bytes.length - at >= logHeaderBytes) {
    const header = readLogHeader(bytes, at);
    if (header === undefined) return { bytes: at, output, damaged: true };
    const end = at + logHeaderBytes + header.length;
    if (end > upTo) break;
    at = end;
    output += header.length;
  }
  return { bytes: at, output, damaged: false };
}

/**
 * Counts the whole records of a file that end at or before the position `upTo`; none when the file is gone.
 */
export async function wholeRecordsOf(path: string, upTo = Number.POSITIVE_INFINITY): Promise<Whole> {
  let bytes = 0;
  let output = 0;
  for (;;) {
    const chunk = (await readSliceIfThere(path, bytes, limits.logChunkBytes)) ?? Buffer.alloc(0);
    const whole = wholeRecords(chunk, Math.min(chunk.length, upTo - bytes));
    bytes += whole.bytes;
    output += whole.output;
    if (whole.bytes === 0 || whole.damaged) return { bytes, output, damaged: whole.damaged };
  }
}

/**
 * Up to `length` bytes of a file from `position`, fewer only at its end; undefined when there is no such
 * file.
 */
export async function readSliceIfThere(
  path: string,
  position: number,
  length: number,
): Promise<Buffer | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
