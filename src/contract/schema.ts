/** Small TypeBox helpers shared by the resource files; JSON Schema is the source of types and validation. */
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import { type TObject, type TProperties, type TSchema, Type } from './typebox.ts';

/** Text that can stand in an argv or environment: no NUL, and nothing UTF-8 has no bytes for (a lone surrogate). */
export const textPattern = '^[^\\u0000\\ud800-\\udfff]*$';

/** An absolute path. */
export const absolutePathPattern = '^/[^\\u0000\\ud800-\\udfff]*$';

/** An object that refuses unknown fields. */
export function strict<T extends TProperties>(
  properties: T,
  options: { description?: string } = {},
): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** A value or null. */
export function nullable<T extends TSchema>(schema: T) {
  return Type.Union([Type.Null(), schema]);
}

export function oneOf<const T extends readonly string[]>(
  values: T,
  options: { description?: string; default?: string } = {},
) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options });
}

/** Query parameter of one or more of these: it may be given again, or hold several with commas between. */
export function someOf<const T extends readonly string[]>(values: T) {
  return Type.Unsafe<T[number] | readonly T[number][]>({
    type: 'array',
    items: { type: 'string', enum: [...values] },
    minItems: 1,
    maxItems: values.length,
    description: 'any of those given: repeated, or with commas between',
  });
}

/** A whole number from `minimum` up to what JSON and SQLite carry exactly. */
export function wholeNumber(minimum: number, options: { description?: string } = {}) {
  return Type.Integer({ minimum, maximum: limits.integerMax, ...options });
}

/** Content type of JSON values, each on a line of its own. */
export const linesContentType = 'application/x-ndjson';

/** What is wrong with a line of it that has nothing on it. */
export const blankLine = 'it is blank; each line must be a JSON object';

/** Epoch milliseconds. */
export const timeMs = wholeNumber(0, { description: 'epoch milliseconds' });

/** Where a page starts: `nextCursor` of the one before, of the same list. */
export const cursor = Type.Optional(Type.String({ maxLength: 128 }));
/** Entries of a page. */
export const pageSize = Type.Optional(
  Type.Integer({ minimum: 1, maximum: limits.pageMax, description: `default ${defaults.pageSize}` }),
);
