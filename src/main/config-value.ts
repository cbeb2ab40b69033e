/** The kinds of configuration values: how each is read from text and what is allowed. */
import { resolve } from 'node:path';
import { parseDurationMs, parseMemoryMiB } from '../domain/units.ts';

/** How a value is read from text. */
export interface ValueKind<V> {
  /** Shown in help, for example `<dir>`. */
  readonly placeholder: string;
  /** What is allowed, in words. */
  readonly allowed: string;
  /** The value, or undefined when the text is none. `baseDir` is where a relative path starts. */
  parse(text: string, baseDir: string): V | undefined;
}

/** A whole number within bounds. */
export function integer(min: number, max: number): ValueKind<number> {
  return {
    placeholder: '<n>',
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^\d+$/.test(text) ? within(Number(text), min, max) : undefined),
  };
}

/** Read as `500ms`, `30s`, `5m`; a bare number is seconds. The value is in milliseconds. */
export function durationMs(minMs: number, maxMs: number): ValueKind<number> {
  return {
    placeholder: '<duration>',
    allowed: `a duration such as 500ms, 30s or 5m, from ${minMs}ms to ${maxMs / 1_000}s`,
    parse: (text) => within(parseDurationMs(text), minMs, maxMs),
  };
}

/** Read as `64m`, `1g`; a bare number is MiB. The value is in MiB. */
export function sizeMiB(minMiB: number, maxMiB: number): ValueKind<number> {
  return {
    placeholder: '<size>',
    allowed: `a size such as 64m or 1g, from ${minMiB}m to ${maxMiB}m`,
    parse: (text) => within(parseMemoryMiB(text), minMiB, maxMiB),
  };
}

/** One of a few words. */
export function choice<const V extends string>(placeholder: string, choices: readonly V[]): ValueKind<V> {
  return {
    placeholder,
    allowed: `one of ${choices.join(', ')}`,
    parse: (text) => choices.find((one) => one === text),
  };
}

/** A path, made absolute. */
export function path(placeholder: string): ValueKind<string> {
  return {
    placeholder,
    allowed: 'a path',
    parse: (text, baseDir) => (text === '' ? undefined : resolve(baseDir, text)),
  };
}

/** A text of a form, `allowed` in words. */
export function text(placeholder: string, pattern: RegExp, allowed: string): ValueKind<string> {
  return { placeholder, allowed, parse: (value) => (pattern.test(value) ? value : undefined) };
}

/** Names with commas between them. */
export function names(pattern: RegExp): ValueKind<readonly string[]> {
  return {
    placeholder: '<names>',
    allowed: 'names of lower-case letters, digits, dots and dashes, with commas between them',
    parse(value) {
      const found = value.split(',').map((name) => name.trim());
      return found.every((name) => pattern.test(name)) ? found : undefined;
    },
  };
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
