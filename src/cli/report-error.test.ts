import { describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { makePaint } from './output/style.ts';
import { errorText } from './report-error.ts';

const plain = makePaint(false);

describe('an error', () => {
  it('is told with its message and what to do', () => {
    const error = new BlixardError('JOB_NOT_FOUND', { jobId: '0197' });
    expect(errorText(error, plain, false)).toEqual({
      text: 'blixard: There is no job 0197.\nhint: blixard job ls shows the newest jobs.\n',
      exitCode: 125,
    });
  });

  it('of any other kind is an INTERNAL one, without its stack', () => {
    const { text, exitCode } = errorText(new TypeError('x is not a function'), plain, false);
    expect(text).toContain('blixard: An error inside Blixard: x is not a function\n');
    expect(text).not.toContain('report-error.test');
    expect(exitCode).toBe(125);
  });

  it('shows where it came from, with its causes, when asked', () => {
    const cause = new Error('socket hang up');
    const { text } = errorText(
      new BlixardError('STORE_UNAVAILABLE', { problem: 'x' }, { cause }),
      plain,
      true,
    );
    expect(text).toContain('report-error.test.ts');
    expect(text).toContain('socket hang up');
  });

  it('cannot write to the screen through its message', () => {
    const error = new BlixardError('USAGE', { problem: 'bad \x1b[31mred' });
    expect(errorText(error, plain, false).text).not.toContain('\x1b');
  });
});
