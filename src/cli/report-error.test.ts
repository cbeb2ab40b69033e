import { describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { makePaint } from './output/style.ts';
import { errorText } from './report-error.ts';

const plain = makePaint(false);

describe('an error', () => {
  it('is told with its message and what to do', () => {
    const error = new BlixardError('JOB_NOT_FOUND', { jobId: '0197' });
    expect(errorText(error, { paint: plain, verbose: false })).toEqual({
      text: 'blixard: There is no job 0197.\nhint: blixard job ls shows the newest jobs.\n',
      exitCode: 125,
    });
  });

  it('of any other kind is an INTERNAL one, without its stack', () => {
    const { text, exitCode } = errorText(new TypeError('x is not a function'), {
      paint: plain,
      verbose: false,
    });
    expect(text).toContain('blixard: An error inside Blixard: x is not a function\n');
    expect(text).not.toContain('report-error.test');
    expect(exitCode).toBe(125);
  });

  it('shows where it came from, with its causes, when asked', () => {
    const cause = new Error('socket hang up');
    const { text } = errorText(new BlixardError('STORE_UNAVAILABLE', { problem: 'x' }, { cause }), {
      paint: plain,
      verbose: true,
    });
    expect(text).toContain('report-error.test.ts');
    expect(text).toContain('socket hang up');
  });

  it('of a wrong call points at the help of the command that was called', () => {
    const telling = { paint: plain, verbose: false, usageHint: 'blixard run --help shows how to call it.' };
    const usage = errorText(new BlixardError('USAGE', { problem: 'no' }), telling);
    expect(usage.text).toBe('blixard: no\nhint: blixard run --help shows how to call it.\n');
    expect(errorText(new BlixardError('SERVER_CLOSING'), telling).text).not.toContain('--help');
  });

  it('cannot write to the screen through its message', () => {
    const error = new BlixardError('USAGE', { problem: 'bad \x1b[31mred' });
    expect(errorText(error, { paint: plain, verbose: false }).text).not.toContain('\x1b');
  });
});
