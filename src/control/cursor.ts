/** Cursors of pages: opaque to callers, inside the list they come from and the key where its next page starts. */
import { limits } from '../domain/limits.ts';
import { badValue } from './http/validation.ts';

/** Lists that have cursors of their own. */
export type ListName =
  | 'jobs'
  | 'children'
  | 'jobEvents'
  | 'events'
  | 'deliveries'
  | 'queues'
  | 'groups'
  | 'schedules';

/** The cursor of the row of this list with this sequence number or name. */
export function cursorOf(list: ListName, key: number | string): string {
  return Buffer.from(`${list}:${key}`).toString('base64url');
}

/** The sequence number in a cursor. Throws VALIDATION_FAILED for text that is no cursor of this list. */
export function seqOf(list: ListName, cursor: string): number {
  const key = keyIn(list, cursor) ?? '';
  const seq = /^\d{1,16}$/.test(key) ? Number(key) : Number.NaN;
  if (seq <= limits.integerMax) return seq;
  throw notOf(cursor);
}

/** The name in a cursor. Throws VALIDATION_FAILED for text that is no cursor of this list. */
export function nameOf(list: ListName, cursor: string): string {
  const name = keyIn(list, cursor);
  if (name === undefined) throw notOf(cursor);
  return name;
}

function keyIn(list: ListName, cursor: string): string | undefined {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  return text.startsWith(`${list}:`) ? text.slice(list.length + 1) : undefined;
}

function notOf(cursor: string) {
  return badValue('cursor', cursor, 'the nextCursor of the page before, of this list');
}
