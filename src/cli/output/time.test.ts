import { describe, expect, it } from 'vitest';
import { relativeTime, timeShower } from './time.ts';

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);

describe('times', () => {
  it.each([
    [0, 'now'],
    [-999, 'now'],
    [-1_500, '1s ago'],
    [-65_000, '1m5s ago'],
    [-3_600_000, '1h ago'],
    [90_000, 'in 1m30s'],
  ])('%d ms from now is %s', (offsetMs, text) => {
    expect(relativeTime(nowMs + offsetMs, nowMs)).toBe(text);
  });

  it('are relative for people, ISO 8601 for pipes, and a dash where there is none', () => {
    expect(timeShower(true, nowMs)(nowMs - 5_000)).toBe('5s ago');
    expect(timeShower(false, nowMs)(nowMs)).toBe('2026-01-02T03:04:05.000Z');
    expect(timeShower(true, nowMs)(null)).toBe('-');
  });
});
