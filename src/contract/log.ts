/**
 * The log of an attempt: records `u8 stream | u48 time (epoch ms) | u32 length | bytes`, little-endian, one after
 * another. Offsets count these bytes, headers included. The same form is uploaded, stored and read back.
 */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

export const logHeaderBytes = 11;
export const logStreams = { stdout: 1, stderr: 2 } as const;
export type LogStream = keyof typeof logStreams;

export interface LogRecord {
  readonly stream: LogStream;
  readonly atMs: number;
  readonly data: Buffer;
}

export function encodeLogRecord(record: LogRecord): Buffer {
  const bytes = Buffer.allocUnsafe(logHeaderBytes + record.data.length);
  bytes.writeUInt8(logStreams[record.stream], 0);
  bytes.writeUIntLE(record.atMs, 1, 6);
  bytes.writeUInt32LE(record.data.length, 7);
  bytes.set(record.data, logHeaderBytes);
  return bytes;
}

export interface DecodedLog {
  readonly records: readonly LogRecord[];
  /** Bytes of whole records; what follows is the start of one more. */
  readonly usedBytes: number;
}

/** What a record says of itself before its bytes. */
export interface LogHeader {
  readonly stream: LogStream;
  readonly atMs: number;
  /** Bytes of output that follow the header. */
  readonly length: number;
}

/** The header at `at`; undefined when these bytes are none. At least `logHeaderBytes` must be there. */
export function readLogHeader(bytes: Buffer, at: number): LogHeader | undefined {
  const stream = streamOf(bytes.readUInt8(at));
  const length = bytes.readUInt32LE(at + 7);
  if (stream === undefined || length > limits.logRecordBytes) return undefined;
  return { stream, atMs: bytes.readUIntLE(at + 1, 6), length };
}

/** Decodes the whole records at the start of `bytes`. A malformed header is a VALIDATION_FAILED. */
export function decodeLogRecords(bytes: Buffer): DecodedLog {
  const records: LogRecord[] = [];
  let at = 0;
  while (bytes.length - at >= logHeaderBytes) {
    const header = readLogHeader(bytes, at);
    if (header === undefined) {
      const allowed = `log records of stream 1 or 2 and at most ${limits.logRecordBytes} bytes`;
      throw new BlixardError('VALIDATION_FAILED', {
        field: 'body',
        value: bytes.subarray(at, at + logHeaderBytes).toString('hex'),
        allowed,
        problem: `byte ${at} starts none; allowed: ${allowed}`,
      });
    }
    const end = at + logHeaderBytes + header.length;
    if (end > bytes.length) break;
    records.push({
      stream: header.stream,
      atMs: header.atMs,
      data: bytes.subarray(at + logHeaderBytes, end),
    });
    at = end;
  }
  return { records, usedBytes: at };
}

function streamOf(code: number): LogStream | undefined {
  if (code === logStreams.stdout) return 'stdout';
  if (code === logStreams.stderr) return 'stderr';
  return undefined;
}
