/** A range of one log as a stream of bytes, with what must be said of it before the first byte. */
import { Readable } from 'node:stream';
import { decodeLogRecords, encodeLogRecord, type LogRecord } from '../../contract/log.ts';
import type { LogPiece, LogReader } from './log-reader.ts';
import type { LogStore } from './log-store.ts';

/** Which part of a log, in which form. */
export interface RangeQuery {
  readonly offset?: number;
  /** At most so many stored bytes, but at least one record. Without it: all there is. */
  readonly limitBytes?: number;
  /** `all` when not given. */
  readonly stream?: string;
  /** `raw`: output as the command wrote it (the default); `records`: as stored. */
  readonly format?: string;
}

/** A range that can be sent. */
export interface LogRange {
  readonly body: Readable;
  readonly nextOffset: number;
  readonly missingBytes: number;
  /** Nothing is behind this range for now. */
  readonly atEnd: boolean;
}

/**
 * With a limit one piece, never longer than `limits.logChunkBytes`; without, everything up to the end as it
 * is now, in pieces as the reader takes them. Rejects with VALIDATION_FAILED for an offset inside a record.
 */
export async function readRange(
  logs: LogStore,
  jobId: string,
  attempt: number,
  query: RangeQuery,
): Promise<LogRange> {
  const reader = logs.reader(jobId, attempt, query.offset);
  const { endOffset } = await logs.size(jobId, attempt);
  if (query.limitBytes !== undefined) {
    const piece = await reader.next({ maxBytes: query.limitBytes });
    return {
      body: Readable.from(piece === undefined ? [] : [selected(piece, query)], { objectMode: false }),
      nextOffset: reader.offset,
      missingBytes: piece?.missingBytes ?? 0,
      atEnd: reader.offset >= endOffset,
    };
  }
  return {
    missingBytes: await reader.missing(),
    body: Readable.from(pieces(reader, endOffset, query), { objectMode: false }),
    nextOffset: Math.max(endOffset, reader.offset),
    atEnd: true,
  };
}

async function* pieces(reader: LogReader, upTo: number, query: RangeQuery): AsyncGenerator<Buffer> {
  for (let piece = await reader.next({ upTo }); piece !== undefined; piece = await reader.next({ upTo })) {
    yield selected(piece, query);
  }
}

function selected({ records }: LogPiece, { stream = 'all', format = 'raw' }: RangeQuery): Buffer {
  if (stream === 'all' && format === 'records') return records;
  const wanted = decodeLogRecords(records).records.filter(
    (record) => stream === 'all' || record.stream === stream,
  );
  const bytesOf = (record: LogRecord): Buffer => (format === 'raw' ? record.data : encodeLogRecord(record));
  return Buffer.concat(wanted.map(bytesOf));
}
