/**
 * Text of paths and queries as the numbers, booleans and lists their schema asks for; what is none stays text.
 */
import type { TObject } from '../../contract/typebox.ts';

/** The words of a schema that say what a text may be. */
interface TextSchema {
  readonly type?: string;
  readonly items?: { readonly enum?: readonly unknown[] };
}

/** Changes the values in place. Bodies are never coerced: JSON has types. */
export function coerce(values: unknown, schema: TObject): void {
  const texts = values as Record<string, unknown>;
  for (const [name, value] of Object.entries(texts)) {
    const { type, items } = (schema.properties[name] ?? {}) as TextSchema;
    if (type === 'array') texts[name] = listOf(value, items?.enum !== undefined);
    else if (typeof value === 'string') texts[name] = coerced(value, type);
  }
}

/** Of words from a list, several may stand in one text, with commas between. */
function listOf(value: unknown, areWords: boolean): unknown[] {
  const list = [value].flat();
  if (!areWords) return list;
  return list.flatMap((each): unknown[] => (typeof each === 'string' ? each.split(',') : [each]));
}

function coerced(text: string, type: string | undefined): string | number | boolean {
  if (type === 'integer' && /^-?\d{1,17}$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
