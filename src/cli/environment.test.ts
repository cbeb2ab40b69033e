import { describe, expect, it } from 'vitest';
import { envOfFile, envOfFlags } from './environment.ts';

const own = { HOME: '/home/user', EMPTY: '' };

describe('the environment of a job', () => {
  it('takes NAME=value as it is, and NAME alone from the caller', () => {
    expect(envOfFlags(['A=1', 'B=x=y', 'C=', 'HOME', 'EMPTY', 'ABSENT'], own)).toEqual({
      A: '1',
      B: 'x=y',
      C: '',
      HOME: '/home/user',
      EMPTY: '',
    });
  });

  it('takes the last of two', () => {
    expect(envOfFlags(['A=1', 'A=2'], own)).toEqual({ A: '2' });
  });

  it('reads a file without its comments and empty lines', () => {
    const text = '# settings\r\nMODE=fast # not a comment\n\n  \nHOME\nQUOTED="kept"\n';
    expect(envOfFile(text, 'x.env', own)).toEqual({
      MODE: 'fast # not a comment',
      HOME: '/home/user',
      QUOTED: '"kept"',
    });
  });

  it.each(['1A=x', '=x', 'A B=x', 'export A=x'])('refuses %s and says where it stands', (entry) => {
    expect(() => envOfFlags([entry], own)).toThrow(`-e ${entry}: it must be NAME=value`);
    expect(() => envOfFile(`A=1\n${entry}`, 'x.env', own)).toThrow(`x.env:2 ${entry}`);
  });
});
