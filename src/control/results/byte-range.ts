/** Reads the range header of HTTP (RFC 9110 §14): one range of bytes; what is no such range asks for everything. */
import { BlixardError } from '../../domain/errors.ts';

/** From `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Undefined: all of it is asked for. Throws RANGE_NOT_SATISFIABLE. */
export function byteRangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replaceAll(' ', '') ?? '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  // A last byte before the first makes no range.
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start >= size || start >= end) {
    throw new BlixardError('RANGE_NOT_SATISFIABLE', { range: header ?? '', size });
  }
  return { start, end };
}

/** Whether a range may be given (RFC 9110 §13.1.5): the bytes the caller has are those of this etag, or it has none. */
export function mayGiveRange(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange === etag;
}
