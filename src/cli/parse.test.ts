import { describe, expect, it } from 'vitest';
import { readDurationMs, readInteger, readMemoryMiB } from './parse.ts';

describe('flags', () => {
  it('are read as people write them', () => {
    expect(readDurationMs('--timeout', '1h30m')).toBe(5_400_000);
    expect(readMemoryMiB('--memory', '1g')).toBe(1_024);
    expect(readInteger('--cpus', '4')).toBe(4);
  });

  it.each([
    [readDurationMs, '5 minutes'],
    [readDurationMs, '-1s'],
    [readMemoryMiB, '-256'],
    [readMemoryMiB, '1t'],
    [readInteger, '1.5'],
    [readInteger, ''],
    [readInteger, '-1'],
  ])('are refused with flag and text: %o %s', (read, text) => {
    expect(() => read('--flag', text)).toThrow(`--flag ${text}: it must be a`);
  });
});
