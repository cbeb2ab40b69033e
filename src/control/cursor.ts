/** Cursors of pages: opaque to callers, inside the sequence number where the next page starts. */
import { limits } from '../domain/limits.ts';
import { badValue } from './http/validation.ts';

/** The cursor of the row with this sequence number. */
export function cursorOf(seq: number): string {
  return Buffer.from(`seq:${seq}`).toString('base64url');
}

/** The sequence number in a cursor. Throws VALIDATION_FAILED for text that is no cursor of ours. */
export function seqOf(cursor: string): number {
  const match = /^seq:(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const seq = Number(match?.[1] ?? Number.NaN);
  if (seq <= limits.integerMax) return seq;
  throw badValue('cursor', cursor, 'the nextCursor of the page before');
}
