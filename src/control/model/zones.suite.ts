/** What the model knows of time zones: when a time of day comes, whatever the clocks do on that day. */

/** When a schedule runs. */
export interface Plan {
  readonly cron: string;
  readonly timeZone: string;
  /** The first slot after a time. */
  slotAfter(atMs: number): number;
}

const minute = 60_000;
const day = 1_440 * minute;
/** Clocks stand apart, and change, by whole quarters of an hour. */
const quarter = 15 * minute;

export const everyMinute: Plan = {
  cron: '* * * * *',
  timeZone: 'UTC',
  slotAfter: (atMs) => (Math.floor(atMs / minute) + 1) * minute,
};

/**
 * Once on each day of a zone: when its clocks first show this time of day or a later one. So a time that is left out
 * comes when the clocks have moved, and one that comes twice counts the first time.
 */
function dailyAt(hhmm: string, timeZone: string): Plan {
  const [hour, minutes] = hhmm.split(':').map(Number);
  const clocks = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' });
  const slotAfter = (atMs: number): number => {
    const doneOn = new Set<string>();
    const beginMs = Math.floor(atMs / quarter) * quarter - 2 * day;
    for (let ms = beginMs; ms < beginMs + 6 * day; ms += quarter) {
      const [date = '', time = ''] = clocks.format(ms).split(' ');
      if (time < hhmm || doneOn.has(date)) continue;
      doneOn.add(date);
      if (ms > atMs) return ms;
    }
    throw new Error(`${timeZone} has no ${hhmm}`);
  };
  return { cron: `${minutes} ${hour} * * *`, timeZone, slotAfter };
}

/** Zones with a time just before each change of their clocks. */
export const changes = [
  { plan: dailyAt('02:30', 'Europe/Berlin'), beforeMs: Date.parse('2024-03-30T12:00:00Z') },
  { plan: dailyAt('02:30', 'Europe/Berlin'), beforeMs: Date.parse('2024-10-26T12:00:00Z') },
  { plan: dailyAt('01:15', 'America/New_York'), beforeMs: Date.parse('2024-11-02T18:00:00Z') },
  { plan: dailyAt('02:00', 'America/New_York'), beforeMs: Date.parse('2025-03-08T18:00:00Z') },
  // Its clocks move by half an hour.
  { plan: dailyAt('02:15', 'Australia/Lord_Howe'), beforeMs: Date.parse('2024-10-05T10:00:00Z') },
  { plan: dailyAt('01:45', 'Australia/Lord_Howe'), beforeMs: Date.parse('2025-04-05T10:00:00Z') },
] as const;
