/**
 * Text of paths and queries as the numbers, booleans and lists their schema asks for; what is none stays text.
 */
import type { TObject } from 'typebox';

/** Changes the values in place. Bodies are never coerced: JSON has types. */
export function coerce(values: unknown, schema: TObject): void {
  const texts = values as Record<string, unknown>;
  for (const [name, value] of Object.entries(texts)) {
    const { type } = (schema.properties[name] ?? {}) as { readonly type?: string };
    if (typeof value === 'string') texts[name] = type === 'array' ? [value] : coerced(value, type);
  }
}

function coerced(text: string, type: string | undefined): string | number | boolean {
  if (type === 'integer' && /^-?\d{1,17}$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
