/** Arguments of a bench, as they stand after `--`. */

/** The whole number after a flag. Throws when something else stands there. */
export function numberArg(args: readonly string[], flag: string, otherwise: number): number {
  const at = args.indexOf(flag);
  if (at < 0) return otherwise;
  const value = Number(args[at + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${flag} needs a whole number from 1`);
  return value;
}

/** Whole numbers after a flag, with commas between them. Throws when something else stands there. */
export function numbersArg(
  args: readonly string[],
  flag: string,
  otherwise: readonly number[],
): readonly number[] {
  const at = args.indexOf(flag);
  if (at < 0) return otherwise;
  return (args[at + 1] ?? '').split(',').map((value) => numberArg([flag, value], flag, 1));
}
