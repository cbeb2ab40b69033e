/** The refusal of a batch: which line is wrong, and what is wrong with it. */
import { asBlixardError, BlixardError, type ErrorCode } from '../../domain/errors.ts';

/** @param index of the line, from 0. */
export function refusedLine(index: number, code: ErrorCode, problem: string, cause?: unknown): BlixardError {
  const sentence = /[.!?]$/.test(problem) ? problem : `${problem}.`;
  return new BlixardError('BATCH_LINE_REFUSED', { line: index + 1, code, problem: sentence }, { cause });
}

/** Does `act` for each line; what it throws is told with the line. */
export function forEachLine<T, R>(lines: readonly T[], act: (line: T, index: number) => R): R[] {
  return lines.map((line, index) => {
    try {
      return act(line, index);
    } catch (error) {
      const known = asBlixardError(error);
      throw known.code === 'INTERNAL' || known.code === 'BATCH_LINE_REFUSED'
        ? known
        : refusedLine(index, known.code, known.message, known);
    }
  });
}
