/** A queue as text: its settings, and its jobs per state. */
import type { Queue, RateLimit } from '../../../contract/queue.ts';
import { formatDurationMs } from '../../../domain/units.ts';
import { type Call, print, printJson } from '../../command.ts';
import { printable } from '../../output/style.ts';
import { renderFacts } from '../../output/table.ts';

/** Prints a queue in the form that was asked for. */
export async function printQueue(call: Call, queue: Queue): Promise<void> {
  await (call.json ? printJson(call, queue) : print(call, renderFacts(factsOf(queue), call.paint)));
}

function factsOf(queue: Queue): readonly (readonly [string, string])[] {
  const { completedMs, failedMs, cancelledMs } = queue.retention;
  return [
    ['queue', queue.name],
    ['state', queue.paused ? 'paused' : 'open'],
    ['concurrency', limitText(queue.concurrencyMax)],
    ['per key', limitText(queue.concurrencyMaxPerKey)],
    ...(queue.concurrencyMaxPerKey === null ? [] : [['over it', queue.keyPolicy] as const]),
    ['rate', rateText(queue.rateLimit)],
    ['rate per key', rateText(queue.rateLimitPerKey)],
    ['fair by', turnsText(queue)],
    [
      'keeps',
      `completed ${keptText(completedMs)}, failed ${keptText(failedMs)}, cancelled ${keptText(cancelledMs)}`,
    ],
    [
      'jobs',
      Object.entries(queue.counts)
        .map(([state, n]) => `${n} ${state}`)
        .join(', ') || 'none',
    ],
  ];
}

function rateText(rate: RateLimit | null): string {
  return rate === null ? 'no limit' : `${rate.max} in ${formatDurationMs(rate.perMs)}`;
}

function turnsText({ fairBy, weights, rateLimitPerKey }: Queue): string {
  const by = rateLimitPerKey === null ? fairBy : 'key';
  const weighed = Object.entries(weights).map(([name, weight]) => printable(`${name}=${weight}`));
  return weighed.length === 0 ? by : `${by}, weights ${weighed.join(', ')}`;
}

function limitText(max: number | null): string {
  return max === null ? 'no limit' : `at most ${max}`;
}

function keptText(ms: number | null): string {
  return ms === null ? 'for ever' : formatDurationMs(ms);
}
