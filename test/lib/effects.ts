/** The file in which test jobs tell that they ran: `jobId attempt` when a command begins, as the verifier has it. */
import { appendFileSync } from 'node:fs';
import { readTextIfThere } from '../../src/platform/files.ts';

/** One line of the file. */
export interface Effect {
  readonly jobId: string;
  readonly attempt: number;
}

/** Adds a line; it is whole whatever happens to the process, since one write of this size is. */
export function tellEffect(file: string, { jobId, attempt }: Effect): void {
  appendFileSync(file, `${jobId} ${attempt}\n`);
}

/** All lines; none when nothing has run yet. */
export async function readEffects(file: string): Promise<Effect[]> {
  const text = (await readTextIfThere(file)) ?? '';
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [jobId = '', attempt] = line.split(' ');
    return { jobId, attempt: Number(attempt) };
  });
}
