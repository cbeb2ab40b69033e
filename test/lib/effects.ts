/** The file in which test jobs write what they did: one line when a command begins, one when it ends. */
import { appendFileSync } from 'node:fs';
import { readTextIfThere } from '../../src/platform/files.ts';

/** One line of the file. */
export interface Effect {
  readonly jobId: string;
  readonly attempt: number;
  readonly step: 'begun' | 'ended';
  /** Of the process that ran it. */
  readonly pid: number;
}

/** Adds a line; it is whole whatever happens to the process, since one write of this size is. */
export function tellEffect(file: string, effect: Effect): void {
  appendFileSync(file, `${JSON.stringify(effect)}\n`);
}

/** All lines; none when nothing has run yet. */
export async function readEffects(file: string): Promise<Effect[]> {
  const text = (await readTextIfThere(file)) ?? '';
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Effect);
}
