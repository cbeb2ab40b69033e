/** Says in words what of its queue holds a pending job back. */
import { formatDurationMs } from '../domain/units.ts';
import type { Row } from '../store/database.ts';
import { integer, integerOrNull, text, textOrNull } from '../store/statements/columns.ts';

/** What holds it back, from the row of `gateOfJob`; null when its queue would let it go. */
export function whyQueueWaits(gate: Row): string | null {
  const queue = text(gate, 'queue');
  if (integer(gate, 'paused') === 1) return `The queue ${queue} is paused; blixard queue resume ${queue}.`;
  if (integer(gate, 'waits_for_key') === 1) {
    const max = integerOrNull(gate, 'key_concurrency_max');
    return `The queue ${queue} runs at most ${max} of the jobs with the key ${keyOf(gate)} at once.`;
  }
  const max = integerOrNull(gate, 'concurrency_max');
  if (max !== null && integer(gate, 'held') >= max)
    return `The queue ${queue} runs at most ${max} of its jobs at once.`;
  return rateText(gate, '', 'its jobs') ?? rateText(gate, 'key_', `the jobs with the key ${keyOf(gate)}`);
}

/** Only a rate that has no token now says when it has one. */
function rateText(gate: Row, prefix: '' | 'key_', jobs: string): string | null {
  const opensAtMs = integerOrNull(gate, `${prefix}opens_at_ms`);
  const perMs = integerOrNull(gate, `${prefix}rate_per_ms`);
  if (opensAtMs === null || perMs === null) return null;
  const rate = `${integer(gate, `${prefix}rate_max`)} of ${jobs} in ${formatDurationMs(perMs)}`;
  const next = new Date(opensAtMs).toISOString();
  return `The queue ${text(gate, 'queue')} starts at most ${rate}; the next may start at ${next}.`;
}

function keyOf(gate: Row): string | null {
  return textOrNull(gate, 'concurrency_key');
}
