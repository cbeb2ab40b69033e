/** How an error is told to a user: what, why, and what to do next; never a raw stack unless asked for. */
import { asBlixardError } from '../domain/errors.ts';
import { type Paint, printable } from './output/style.ts';

/** An error as the shell gets it. */
export interface ToldError {
  /** For standard error; ends in a newline. */
  readonly text: string;
  readonly exitCode: number;
}

/** Tells any thrown value; with `verbose` also where it and its causes came from. */
export function errorText(error: unknown, paint: Paint, verbose: boolean): ToldError {
  const known = asBlixardError(error);
  const lines = [
    `${paint('red', 'blixard:')} ${printable(known.message)}`,
    `${paint('dim', 'hint:')} ${printable(known.entry.hint)}`,
    ...(verbose ? traceOf(error) : []),
  ];
  return { text: `${lines.join('\n')}\n`, exitCode: known.entry.exitCode };
}

function traceOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) lines.push(at.stack ?? at.message);
  return lines;
}
