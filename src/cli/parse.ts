/** Reads the texts of flags; what cannot be read is a USAGE error that names flag, text and what is allowed. */
import { BlixardError } from '../domain/errors.ts';
import { type BackoffPolicy, backoffTypes } from '../domain/retry.ts';
import { parseDurationMs, parseMemoryMiB } from '../domain/units.ts';

/** Reads one flag's text. */
export type FlagReader<V> = (flag: string, text: string) => V;

/** `30s`, `5m`, `1h30m` → ms. */
export const readDurationMs: FlagReader<number> = (flag, text) =>
  orRefuse(parseDurationMs(text), flag, text, 'a duration such as 500ms, 30s, 5m or 1h30m; 30 is 30s');

/** The same where much is lost by a wrong unit: a bare number, which is seconds elsewhere, is refused. */
export const readDurationWithUnitMs: FlagReader<number> = (flag, text) => {
  const ms = /[a-z]$/.test(text) ? parseDurationMs(text) : undefined;
  return orRefuse(ms, flag, text, 'a duration with its unit such as 12h or 7d, or forever');
};

/** `256`, `256m`, `1g` → MiB. */
export const readMemoryMiB: FlagReader<number> = (flag, text) =>
  orRefuse(parseMemoryMiB(text), flag, text, 'a size such as 256, 256m or 1g');

/** A whole number, 0 or more; the server knows the limits. */
export const readInteger: FlagReader<number> = (flag, text) =>
  orRefuse(/^\d{1,15}$/.test(text) ? Number(text) : undefined, flag, text, 'a whole number, 0 or more');

/** A whole number, 1 or more; 0 is for the server to refuse, which knows the other limit, too. */
export const readCount: FlagReader<number> = (flag, text) =>
  orRefuse(/^\d{1,15}$/.test(text) ? Number(text) : undefined, flag, text, 'a whole number, 1 or more');

/** A number from 0 to 1. */
export const readShare: FlagReader<number> = (flag, text) =>
  orRefuse(/^(0|1|0?\.\d{1,9})$/.test(text) ? Number(text) : undefined, flag, text, 'a number from 0 to 1');

/** `5s`, `fixed:5s` or `exponential:5s` → the delay, and the type where it is named. */
export const readBackoff: FlagReader<{ delayMs: number; type?: BackoffPolicy['type'] }> = (flag, text) => {
  const [, name, delay = ''] = /^(?:([a-z]+):)?(.+)$/.exec(text) ?? [];
  const type = backoffTypes.find((each) => each === name);
  const delayMs = name === type ? parseDurationMs(delay) : undefined;
  return orRefuse(
    delayMs === undefined ? undefined : { delayMs, ...(type === undefined ? {} : { type }) },
    flag,
    text,
    `a duration such as 5s or 10m, or ${backoffTypes.map((each) => `${each}:5s`).join(' or ')}`,
  );
};

/** A whole number, which may be negative. */
export const readSignedInteger: FlagReader<number> = (flag, text) =>
  orRefuse(/^-?\d{1,15}$/.test(text) ? Number(text) : undefined, flag, text, 'a whole number');

/** `2030-01-31T08:00`, or `2030-01-31` (local time unless it names a zone), or epoch ms → epoch ms. */
export const readTimeMs: FlagReader<number> = (flag, text) => orRefuse(timeMsOf(text), flag, text, timeForms);

const timeForms = 'a time such as 2030-01-31T08:00, 2030-01-31T08:00Z or epoch milliseconds';

function timeMsOf(text: string): number | undefined {
  const timeMs = /^\d{11,15}$/.test(text) ? Number(text) : calendarMs(text);
  return timeMs >= 0 ? timeMs : undefined;
}

const calendarForm =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?: ?(Z|[+-]\d\d:?\d\d))?)?$/;

/** Epoch ms; a day alone is its midnight here. NaN for what is no time, though `Date.parse` makes one of it. */
function calendarMs(text: string): number {
  const [, day, time = '00:00', zone = ''] = calendarForm.exec(text.toUpperCase()) ?? [];
  const dayMs = Date.parse(`${day}T00:00Z`);
  // The 31st of February is one of March to it.
  if (day === undefined || !(dayMs >= 0) || !new Date(dayMs).toISOString().startsWith(day)) return Number.NaN;
  return Date.parse(`${day}T${time}${zone.replace(/^(.\d\d)(\d\d)$/, '$1:$2')}`);
}

/** A time, or how long ago, for example `2h` → epoch ms, not before 1970. */
export function readPastMs(flag: string, text: string, nowMs: number): number {
  const agoMs = /[a-z]$/.test(text) ? parseDurationMs(text) : undefined;
  const timeMs = agoMs === undefined ? timeMsOf(text) : nowMs - agoMs;
  return Math.max(1, orRefuse(timeMs, flag, text, `how long ago, such as 2h, or ${timeForms}`));
}

/** `name=value` → its two parts; the value may hold more `=`. */
export const readLabel: FlagReader<readonly [string, string]> = (flag, text) => {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  return orRefuse(
    name === undefined || value === undefined ? undefined : [name, value],
    flag,
    text,
    'name=value',
  );
};

/** `name=3`, where the name may hold `=` → its two parts. */
export const readWeight: FlagReader<readonly [string, number]> = (flag, text) => {
  const [, name, weight] = /^(.+)=(\d{1,9})$/s.exec(text) ?? [];
  return orRefuse(
    name === undefined || weight === undefined ? undefined : [name, Number(weight)],
    flag,
    text,
    'name=weight, for example ci=3',
  );
};

/** `100/1m`, or `100` a second → a rate. */
export const readRate: FlagReader<{ max: number; perMs: number }> = (flag, text) => {
  const [, max, per = '1s'] = /^(\d{1,9})(?:\/(.+))?$/.exec(text) ?? [];
  const perMs = parseDurationMs(per);
  return orRefuse(
    max === undefined || perMs === undefined ? undefined : { max: Number(max), perMs },
    flag,
    text,
    'a rate such as 100/1m or 5/1s',
  );
};

/** For a flag that may be given often. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Some of these words, with commas between in each text. */
export function readWords<T extends string>(
  flag: string,
  texts: readonly string[],
  words: readonly T[],
): T[] {
  const allowed = `one or more of ${words.join(', ')}, with commas between`;
  return texts
    .flatMap((text) => text.split(','))
    .map((text) =>
      orRefuse(
        words.find((word) => word === text),
        flag,
        text,
        allowed,
      ),
    );
}

function orRefuse<V>(value: V | undefined, flag: string, text: string, allowed: string): V {
  if (value !== undefined) return value;
  throw new BlixardError('USAGE', { problem: `${flag} ${text}: it must be ${allowed}` });
}
