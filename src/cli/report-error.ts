/** How an error is told to a user: what, why, and what to do next; never a raw stack unless asked for. */
import { asBlixardError } from '../domain/errors.ts';
import { type Paint, printable } from './output/style.ts';

/** An error as the shell gets it. */
export interface ToldError {
  /** For standard error; ends in a newline. */
  readonly text: string;
  readonly exitCode: number;
}

/** How an error is told. */
export interface Telling {
  readonly paint: Paint;
  /** Also where the error and its causes came from. */
  readonly verbose: boolean;
  /** What to do about a wrong call, where the caller knows better than the catalogue. */
  readonly usageHint?: string;
}

/** Tells any thrown value. */
export function errorText(error: unknown, { paint, verbose, usageHint }: Telling): ToldError {
  const known = asBlixardError(error);
  const hint = known.code === 'USAGE' ? (usageHint ?? known.entry.hint) : known.entry.hint;
  const lines = [
    `${paint('red', 'blixard:')} ${printable(known.message)}`,
    `${paint('dim', 'hint:')} ${printable(hint)}`,
    ...(verbose ? traceOf(error) : []),
  ];
  return { text: `${lines.join('\n')}\n`, exitCode: known.entry.exitCode };
}

function traceOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) lines.push(at.stack ?? at.message);
  return lines;
}
