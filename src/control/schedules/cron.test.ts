import { describe, expect, it } from 'vitest';
import { firstSlots, slotsOf } from './cron.ts';

const slots = (cron: string, timeZone: string, after: string, count = 4): string[] =>
  firstSlots(slotsOf(cron, timeZone), Date.parse(after), count).map((slotMs) =>
    new Date(slotMs).toISOString().slice(0, 16),
  );

describe('slots of a cron expression', () => {
  it('are those of its time zone', () => {
    expect(slots('0 3 * * *', 'Europe/Berlin', '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-01T02:00']);
    expect(slots('0 3 * * *', 'America/New_York', '2026-01-01T00:00:00Z', 1)).toEqual(['2026-01-01T08:00']);
  });

  it('may be of every second', () => {
    const secondly = slotsOf('*/5 * * * * *', 'UTC');
    expect(firstSlots(secondly, 1_000, 3)).toEqual([5_000, 10_000, 15_000]);
  });

  it('have names', () => {
    expect(slots('@daily', 'UTC', '2026-01-01T12:00:00Z', 2)).toEqual([
      '2026-01-02T00:00',
      '2026-01-03T00:00',
    ]);
    expect(slots('0 9 * * MON-FRI', 'UTC', '2026-01-02T10:00:00Z', 1)).toEqual(['2026-01-05T09:00']);
  });

  it.each([
    ['0 12 L * *', ['2026-01-31T12:00', '2026-02-28T12:00']],
    ['0 12 15W * *', ['2026-01-15T12:00', '2026-02-16T12:00']],
    ['0 12 LW * *', ['2026-01-30T12:00', '2026-02-27T12:00']],
    ['0 12 * * FRI#2', ['2026-01-09T12:00', '2026-02-13T12:00']],
    ['0 12 * * FRI#L', ['2026-01-30T12:00', '2026-02-27T12:00']],
    ['0 12 * * 5L', ['2026-01-30T12:00', '2026-02-27T12:00']],
    ['0 0 13 * 5', ['2026-01-02T00:00', '2026-01-09T00:00', '2026-01-13T00:00', '2026-01-16T00:00']],
    ['0 0 13 * +5', ['2026-02-13T00:00', '2026-03-13T00:00']],
    ['0 0 * * 7', ['2026-01-04T00:00', '2026-01-11T00:00']],
  ])('%s are days as the documentation says', (cron, expected) => {
    expect(slots(cron, 'UTC', '2026-01-01T00:00:00Z', expected.length)).toEqual(expected);
  });

  it('wait years for a 29th of February, also over 2100 which has none', () => {
    expect(slots('0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', 2)).toEqual([
      '2028-02-29T00:00',
      '2032-02-29T00:00',
    ]);
    expect(slots('0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z', 1)).toEqual(['2104-02-29T00:00']);
  });

  it('are none on a 30th of February', () => {
    expect(slots('0 0 30 2 *', 'UTC', '2026-01-01T00:00:00Z')).toEqual([]);
  });
});

describe('when the clocks change', () => {
  it('a time of day that does not exist comes when they have moved, on that day only', () => {
    expect(slots('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
  });

  it('a time of day that exists twice comes once', () => {
    expect(slots('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
  });

  it('so it is with each time of a list or a range', () => {
    for (const cron of ['30 2,14 * * *', '30 2,14-14 * * *']) {
      expect(slots(cron, 'Europe/Berlin', '2026-03-28T20:00:00Z', 3)).toEqual([
        '2026-03-29T01:00',
        '2026-03-29T12:30',
        '2026-03-30T00:30',
      ]);
      expect(slots(cron, 'Europe/Berlin', '2026-10-24T20:00:00Z', 3)).toEqual([
        '2026-10-25T00:30',
        '2026-10-25T13:30',
        '2026-10-26T01:30',
      ]);
    }
    expect(slots('0,30 2-3 * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', 3)).toEqual([
      '2026-03-29T01:00',
      '2026-03-29T01:30',
      '2026-03-30T00:00',
    ]);
  });

  it('a time that is left out at the end of a day comes at midnight', () => {
    expect(slots('30 23 * * *', 'America/Nuuk', '2026-03-27T12:00:00Z', 4)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
      '2026-03-31T00:30',
    ]);
    expect(slots('15 23 28 3 *', 'America/Nuuk', '2026-01-01T00:00:00Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2027-03-29T00:15',
    ]);
    expect(slots('0 0,23 * * *', 'America/Nuuk', '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:00',
    ]);
  });

  it('@hourly is the same as its expression, also where they move by half an hour', () => {
    const slotsFor = (cron: string) => slots(cron, 'Australia/Lord_Howe', '2026-10-03T14:00:00Z', 3);
    expect(slotsFor('0 * * * *')).toEqual(['2026-10-03T14:30', '2026-10-03T16:00', '2026-10-03T17:00']);
    expect(slotsFor('@hourly')).toEqual(slotsFor('0 * * * *'));
  });

  it('every half hour goes on as time does, both ways', () => {
    expect(slots('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:30:00Z', 2)).toEqual([
      '2026-03-29T01:00',
      '2026-03-29T01:30',
    ]);
    expect(slots('*/30 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 5)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
      '2026-10-25T02:00',
    ]);
  });

  it.each([
    ['0 2 * * *', 'America/New_York'],
    ['15 1,2,3 * * *', 'Europe/Berlin'],
    ['*/7 * * * *', 'Australia/Lord_Howe'],
    ['0 0 * * *', 'America/Sao_Paulo'],
  ])('%s in %s only goes forward, over ten years', (cron, timeZone) => {
    const nextAfter = slotsOf(cron, timeZone);
    let slotMs = Date.parse('2015-01-01T00:00:00Z');
    for (let n = 0; n < 2_000; n++) {
      const nextMs = nextAfter(slotMs);
      if (nextMs === null) throw new Error('it ended');
      expect(nextMs).toBeGreaterThan(slotMs);
      slotMs = nextMs;
    }
  });
});

describe('what is no schedule', () => {
  it.each([
    [
      '61 * * * *',
      /^cron: is "61 \* \* \* \*"; allowed: minute hour day month weekday.*Invalid value for minute/,
    ],
    ['* * *', /^cron: is "\* \* \*"; allowed: minute hour/],
    ['5/15 * * * *', /range \(min-max\/step\)/],
    ['0 22 * * FRI-MON', /From value is larger/],
    ['2026-01-01T00:00:00', /^cron: /],
    ['? * * * *', /use \* for any value/],
    ['@reboot', /^cron: is "@reboot"; allowed: .*@hourly/],
    ['every day', /^cron: /],
    ['0 0 1 1 * 2027 2', /^cron: /],
  ])('%s is refused', (cron, message) => {
    expect(() => slotsOf(cron, 'UTC')).toThrow(message);
  });

  it.each([
    ['Mars/Olympus', /^timeZone: is "Mars\/Olympus"; allowed: an IANA name such as UTC or Europe\/Berlin/],
    ['Berlin', /did you mean Europe\/Berlin\?$/],
    ['new york', /did you mean America\/New_York\?$/],
    ['Europe/Berlni', /did you mean Europe\/Berlin\?$/],
    ['', /^timeZone: is ""/],
  ])('the zone %s is refused', (timeZone, message) => {
    expect(() => slotsOf('* * * * *', timeZone)).toThrow(message);
  });
});
