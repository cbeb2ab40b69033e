/** The slots of a cron expression in a time zone, as the cron library has them. */
import { Cron } from 'croner';
import { problemOf } from '../../domain/errors.ts';
import { nearest } from '../../domain/nearest.ts';
import type { NextAfter } from '../../domain/schedule.ts';
import { badValue } from '../http/validation.ts';
import { withJumpedDays } from './jumped-days.ts';

const allowedForms =
  'minute hour day month weekday, such as 0 3 * * *; a second may stand in front; or @hourly, @daily, @weekly, ' +
  '@monthly, @yearly';

/**
 * The slots of this expression. Across a change of the clocks, a time of day that does not exist comes when the
 * clocks have moved, and one that exists twice comes the first time; a wildcard or step in it goes on through
 * both hours. Throws VALIDATION_FAILED naming `cron` or `timeZone`.
 */
export function slotsOf(cron: string, timeZone: string): NextAfter {
  assertTimeZone(timeZone);
  const pattern = readCron(cron, timeZone);
  return withJumpedDays(cron, timeZone, (afterMs) => pattern.nextRun(new Date(afterMs))?.getTime() ?? null);
}

/** The first `count` slots after `afterMs`. */
export function firstSlots(nextAfter: NextAfter, afterMs: number, count: number): number[] {
  const slots: number[] = [];
  let slotMs = nextAfter(afterMs);
  while (slotMs !== null && slots.length < count) {
    slots.push(slotMs);
    slotMs = nextAfter(slotMs);
  }
  return slots;
}

function readCron(cron: string, timeZone: string): Cron {
  // The library takes a date for a pattern of one slot, and ? for the time at which it read the pattern.
  if (!/^(@\w+|(\S+\s+){4,5}\S+)$/.test(cron)) throw badValue('cron', cron, allowedForms);
  if (cron.includes('?')) throw badValue('cron', cron, `${allowedForms}; without ?: use * for any value`);
  try {
    // Else times of lists and ranges are left out, or come twice, when the clocks change.
    return new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' });
  } catch (error) {
    const problem = problemOf(error).replace(/^CronPattern: /, '');
    throw badValue('cron', cron, `${allowedForms} (${problem})`);
  }
}

function assertTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const meant = zoneLike(timeZone);
    const guess = meant === undefined ? '' : `; did you mean ${meant}?`;
    throw badValue('timeZone', timeZone, `an IANA name such as UTC or Europe/Berlin${guess}`);
  }
}

/** A zone of this city, or one that is spelled much alike. */
function zoneLike(typed: string): string | undefined {
  const zones = Intl.supportedValuesOf('timeZone');
  const city = `/${typed.trim().toLowerCase().replaceAll(' ', '_')}`;
  return zones.find((zone) => zone.toLowerCase().endsWith(city)) ?? nearest(typed, zones);
}
