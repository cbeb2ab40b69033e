/** A time as the clocks of a time zone show it. */

/** For example `2026-01-01 03:00:00`; the UTC text where this program does not know the zone. */
export function zoneTime(timeMs: number, timeZone: string): string {
  const options: Intl.DateTimeFormatOptions = {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone,
  };
  try {
    return new Intl.DateTimeFormat('sv-SE', options).format(timeMs);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return `${new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  }
}
