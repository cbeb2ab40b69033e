/** Slots at times of day that the clocks jump over into the next day: the cron library leaves them out. */
import { Cron } from 'croner';
import type { NextAfter } from '../../domain/schedule.ts';

const halfADayMs = 12 * 3_600_000;
const secondMs = 1_000;

/** The same slots with those that come when the clocks have moved past midnight, as on one day a year in Nuuk. */
export function withJumpedDays(cron: string, timeZone: string, nextAfter: NextAfter): NextAfter {
  if (!isTimeOfDay(cron)) return nextAfter;
  const shownAt = clocksOf(timeZone);
  // A day has all its hours there, so this is what the clocks are to show.
  const wanted = new Cron(cron, { timezone: 'UTC', mode: '5-or-6-parts' });
  return (afterMs) => {
    const nextMs = nextAfter(afterMs);
    const shownMs = wanted.nextRun(new Date(shownAt(afterMs)))?.getTime();
    if (shownMs === undefined || (nextMs !== null && shownAt(nextMs) === shownMs)) return nextMs;
    const jumpMs = jumpOver(shownMs, shownMs - (shownAt(afterMs) - afterMs), shownAt);
    return jumpMs === undefined || jumpMs <= afterMs ? nextMs : Math.min(jumpMs, nextMs ?? jumpMs);
  };
}

/** Neither a wildcard nor a step in what stands before the day: these go on as time does, as `@hourly` does. */
function isTimeOfDay(cron: string): boolean {
  if (cron.startsWith('@')) return cron.toLowerCase() !== '@hourly';
  return cron
    .split(/\s+/)
    .slice(0, -3)
    .every((field) => /^[\d,-]+$/.test(field));
}

type Clocks = (atMs: number) => number;

/** What the clocks of a zone show, as if it were UTC; whole seconds. */
function clocksOf(timeZone: string): Clocks {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  return (atMs) => Date.parse(`${format.format(atMs).replace(' ', 'T')}Z`);
}

/** When the clocks jump over this time; undefined when they show it. `aboutMs`: roughly then. */
function jumpOver(shownMs: number, aboutMs: number, shownAt: Clocks): number | undefined {
  const aheadAt = (atMs: number): number => shownAt(atMs) - Math.floor(atMs / secondMs) * secondMs;
  const before = aheadAt(aboutMs - halfADayMs);
  let [earlierMs, laterMs] = [shownMs - aheadAt(aboutMs + halfADayMs), shownMs - before];
  if ([earlierMs, laterMs].some((atMs) => shownAt(atMs) === shownMs)) return undefined;
  while (laterMs - earlierMs > secondMs) {
    const middleMs = earlierMs + Math.floor((laterMs - earlierMs) / 2 / secondMs) * secondMs;
    if (aheadAt(middleMs) === before) earlierMs = middleMs;
    else laterMs = middleMs;
  }
  return laterMs;
}
