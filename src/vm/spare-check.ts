/** Asks a VMM that has waited for long whether it still answers, so that no job waits for one that is frozen. */
import { BlixardError } from '../domain/errors.ts';
import { formatDurationMs } from '../domain/units.ts';
import { type Clock, sleep } from '../platform/clock.ts';
import type { WaitingVm } from './controller.ts';

/** One that is well answers within a millisecond or so; a new VMM in its place costs a job some 50 ms. */
const answerMsMax = 200;

/** Resolves when it has answered. Rejects with VMM_REFUSED, also when it does not answer in time. */
export async function assertAnswers(waiting: Pick<WaitingVm, 'answers'>, clock: Clock): Promise<void> {
  const over = new AbortController();
  const late = sleep(clock, answerMsMax, over.signal).then(() => {
    const problem = `nothing came within ${formatDurationMs(answerMsMax)}`;
    if (!over.signal.aborted) throw new BlixardError('VMM_REFUSED', { act: 'answer', problem });
  });
  try {
    await Promise.race([waiting.answers(), late]);
  } finally {
    over.abort();
  }
}
