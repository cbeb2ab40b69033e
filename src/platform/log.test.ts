import fs, { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../domain/limits.ts';
import { logTo } from './log.ts';

describe('a log on a disk that is full', () => {
  let dir: string;
  let fd: number;
  let isFull: boolean;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'blixard-log-'));
    fd = openSync(join(dir, 'log'), 'w');
    isFull = false;
    const write = fs.writeSync as (...args: readonly unknown[]) => number;
    vi.spyOn(fs, 'writeSync').mockImplementation((...args: readonly unknown[]) => {
      if (isFull && args[0] === fd) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      return write(...args);
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    closeSync(fd);
    rmSync(dir, { recursive: true });
  });

  const written = (): Record<string, unknown>[] => {
    const lines = readFileSync(join(dir, 'log'), 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };

  it('throws at nobody, and writes the lines that wait once there is room', () => {
    const log = logTo(fd, 'info', 'json');
    log.info('before');
    isFull = true;
    for (const n of [1, 2, 3]) log.info(`full ${n}`);
    isFull = false;
    log.info('after');
    expect(written().map(({ msg }) => msg)).toEqual(['before', 'full 1', 'full 2', 'full 3', 'after']);
  });

  it('counts what is too much to wait, and says so before the next line', () => {
    const log = logTo(fd, 'info', 'json');
    const text = 'x'.repeat(1_000);
    const toldCount = Math.ceil((2 * limits.ownLogWaitingBytes) / text.length);
    isFull = true;
    for (let n = 0; n < toldCount; n++) log.info(text);
    isFull = false;
    log.info('after');
    const lines = written();
    const waited = lines.filter(({ msg }) => msg === text).length;
    expect(waited * text.length).toBeGreaterThan(limits.ownLogWaitingBytes / 2);
    expect(waited * text.length).toBeLessThanOrEqual(limits.ownLogWaitingBytes);
    expect(lines.at(-2)).toMatchObject({ level: 50, lostLines: toldCount - waited });
    expect(lines.at(-1)).toMatchObject({ msg: 'after' });
    log.info('later');
    expect(written()).toHaveLength(lines.length + 1);
  });

  it('does the same for people', () => {
    const log = logTo(fd, 'info', 'lines');
    isFull = true;
    log.info('full');
    isFull = false;
    log.fatal('after');
    expect(readFileSync(join(dir, 'log'), 'utf8')).toMatch(/ info {2}full\n.* fatal after\n$/);
  });
});
