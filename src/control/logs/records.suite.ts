/** Records for tests of logs, and the way back from a store to them. */
import { decodeLogRecords, encodeLogRecord, type LogRecord } from '../../contract/log.ts';
import type { LogStore } from './log-store.ts';

export const jobId = '018bcfe5-6800-7000-8000-000000000001';
export function record(data: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout', atMs = 7): LogRecord {
  return { stream, atMs, data: Buffer.from(data) };
}

export function encode(records: readonly LogRecord[]): Buffer {
  return Buffer.concat(records.map(encodeLogRecord));
}

export interface ReadBack {
  readonly records: LogRecord[];
  readonly gaps: { readonly before: number; readonly missingBytes: number }[];
}

export async function readAll(store: LogStore, offset = 0, maxBytes = 1_000_000): Promise<ReadBack> {
  const reader = store.reader(jobId, 1, offset);
  const records: LogRecord[] = [];
  const gaps: ReadBack['gaps'] = [];
  for (;;) {
    const piece = await reader.next({ maxBytes });
    if (piece === undefined) return { records, gaps };
    if (piece.missingBytes > 0) gaps.push({ before: records.length, missingBytes: piece.missingBytes });
    records.push(...decodeLogRecords(piece.records).records);
  }
}

export const outputOf = (records: readonly LogRecord[]): number =>
  records.reduce((sum, each) => sum + each.data.length, 0);
