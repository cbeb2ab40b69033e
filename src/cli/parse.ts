/** Reads the texts of flags; what cannot be read is a USAGE error that names flag, text and what is allowed. */
import { BlixardError } from '../domain/errors.ts';
import { parseDurationMs, parseMemoryMiB } from '../domain/units.ts';

/** Reads one flag's text. */
export type FlagReader<V> = (flag: string, text: string) => V;

/** `30s`, `5m`, `1h30m` → ms. */
export const readDurationMs: FlagReader<number> = (flag, text) =>
  orRefuse(parseDurationMs(text), flag, text, 'a duration such as 500ms, 30s, 5m or 1h30m');

/** `256`, `256m`, `1g` → MiB. */
export const readMemoryMiB: FlagReader<number> = (flag, text) =>
  orRefuse(parseMemoryMiB(text), flag, text, 'a size such as 256, 256m or 1g');

/** A whole number, 0 or more; the server knows the limits. */
export const readInteger: FlagReader<number> = (flag, text) =>
  orRefuse(/^\d{1,15}$/.test(text) ? Number(text) : undefined, flag, text, 'a whole number, 0 or more');

function orRefuse<V>(value: V | undefined, flag: string, text: string, allowed: string): V {
  if (value !== undefined) return value;
  throw new BlixardError('USAGE', { problem: `${flag} ${text}: it must be ${allowed}` });
}
