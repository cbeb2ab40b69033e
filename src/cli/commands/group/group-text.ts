/** A group in words. */
import type { Group } from '../../../contract/together.ts';

/** The argument of every command about one group. */
export const groupArgument = ['<group>', 'name of the group'] as const;

/** `3 completed, 1 failed`. */
export function countsText({ counts }: Group): string {
  return Object.entries(counts)
    .map(([state, n]) => `${n} ${state}`)
    .join(', ');
}

/** How far it is, in a word. */
export function progressOf({ finished }: Group): 'finished' | 'going' {
  return finished ? 'finished' : 'going';
}
