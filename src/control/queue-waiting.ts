/** Says in words what of its queue holds a pending job back. */
import type { Row } from '../store/database.ts';
import { integer, integerOrNull, text, textOrNull } from '../store/statements/columns.ts';

/** What holds it back, from the row of `gateOfJob`; null when its queue would let it go. */
export function whyQueueWaits(gate: Row): string | null {
  const queue = text(gate, 'queue');
  if (integer(gate, 'paused') === 1) return `The queue ${queue} is paused; blixard queue resume ${queue}.`;
  if (integer(gate, 'waits_for_key') === 1) {
    const key = textOrNull(gate, 'concurrency_key');
    const max = integerOrNull(gate, 'key_concurrency_max');
    return `The queue ${queue} runs at most ${max} of the jobs with the key ${key} at once.`;
  }
  const max = integerOrNull(gate, 'concurrency_max');
  if (max === null || integer(gate, 'held') < max) return null;
  return `The queue ${queue} runs at most ${max} of its jobs at once.`;
}
