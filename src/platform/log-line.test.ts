import { describe, expect, it } from 'vitest';
import { logLineForPeople } from './log-line.ts';

const line = (entry: object): string =>
  logLineForPeople(JSON.stringify({ level: 30, time: '2026-01-02T03:04:05.678Z', msg: 'ready', ...entry }));

describe('a log line for people', () => {
  it('has time, level, message and details', () => {
    expect(line({ url: 'http://x', jobs: 2, signal: null })).toBe(
      '03:04:05 info  ready  url=http://x  jobs=2\n',
    );
  });

  it('puts what could be misread into quotes', () => {
    expect(line({ why: 'a b', list: [1], text: 'x=1' })).toBe(
      '03:04:05 info  ready  why="a b"  list=[1]  text="x=1"\n',
    );
  });

  it('tells the message of an error', () => {
    expect(
      line({ level: 50, msg: 'lost', err: { type: 'Error', message: 'gone', stack: 'Error: gone' } }),
    ).toBe('03:04:05 error lost  gone\n');
  });
});
