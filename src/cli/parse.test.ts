import { describe, expect, it, vi } from 'vitest';
import {
  readDurationMs,
  readDurationWithUnitMs,
  readInteger,
  readLabel,
  readMemoryMiB,
  readPastMs,
  readRate,
  readSignedInteger,
  readTimeMs,
  readWeight,
} from './parse.ts';

describe('flags', () => {
  it('are read as people write them', () => {
    expect(readDurationMs('--timeout', '1h30m')).toBe(5_400_000);
    expect(readDurationWithUnitMs('--keep-failed', '7d')).toBe(7 * 86_400_000);
    expect(readMemoryMiB('--memory', '1g')).toBe(1_024);
    expect(readInteger('--cpus', '4')).toBe(4);
    expect(readSignedInteger('--priority', '-4')).toBe(-4);
    expect(readTimeMs('--at', '2030-01-31T08:00Z')).toBe(Date.UTC(2030, 0, 31, 8));
    expect(readTimeMs('--at', '2030-01-31 08:00:30.5 +0130')).toBe(Date.UTC(2030, 0, 31, 6, 30, 30, 500));
    expect(readTimeMs('--at', '1900000000000')).toBe(1_900_000_000_000);
    expect(readPastMs('--since', '2h', 10_000_000)).toBe(2_800_000);
    expect(readPastMs('--since', '2h', 5)).toBe(1);
    expect(readPastMs('--since', '2030-01-31T08:00Z', 5)).toBe(Date.UTC(2030, 0, 31, 8));
    expect(readRate('--rate', '100/1m')).toEqual({ max: 100, perMs: 60_000 });
    expect(readRate('--rate', '5')).toEqual({ max: 5, perMs: 1_000 });
    expect(readWeight('--weight', 'a=b=3')).toEqual(['a=b', 3]);
    expect(readLabel('--label', 'a=b=c')).toEqual(['a', 'b=c']);
  });

  it('of a day alone mean its midnight here, as a time of day is of here', () => {
    vi.stubEnv('TZ', 'Asia/Tokyo');
    try {
      expect(readTimeMs('--at', '2030-01-31')).toBe(Date.UTC(2030, 0, 30, 15));
      expect(readTimeMs('--at', '2030-01-31T00:00')).toBe(Date.UTC(2030, 0, 30, 15));
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.each([
    [readDurationMs, '5 minutes'],
    [readDurationMs, '-1s'],
    [readDurationWithUnitMs, '30'],
    [readMemoryMiB, '-256'],
    [readMemoryMiB, '1t'],
    [readSignedInteger, '-'],
    [readTimeMs, 'noon'],
    [readTimeMs, '2030-13-01'],
    [readTimeMs, '2030-02-31T08:00'],
    [readTimeMs, '2030-01-31junk'],
    [readTimeMs, '2030-01-31T25:00'],
    [readInteger, '1.5'],
    [readInteger, ''],
    [readInteger, '-1'],
  ])('are refused with flag and text: %o %s', (read, text) => {
    expect(() => read('--flag', text)).toThrow(`--flag ${text}: it must be a`);
  });
});
