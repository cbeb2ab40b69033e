/** Copies what a caller in the same process passes, as a wire would, without the text in between. */
import { limits } from '../../domain/limits.ts';

/** A copy, and a length that its JSON text does not exceed, in bytes. */
export interface PlainCopy {
  readonly copy: unknown;
  readonly bytesMax: number;
}

/**
 * Most bytes in JSON text: of a UTF-16 unit (\u0000), of a number, of a value besides (its comma with two quotes or
 * brackets, or with `false`), of a name besides (quotes and colon).
 */
const bytesPerUnit = 6;
const bytesPerNumber = 25;
const bytesPerValue = 6;
const bytesPerName = 3;

/**
 * The same as `JSON.parse(JSON.stringify(value))`; undefined for a value whose text must tell: one with classes,
 * `toJSON`, a bigint, a cycle, or deeper than any body may be.
 */
export function copyOfPlain(value: unknown): PlainCopy | undefined {
  const copier = new Copier();
  const copy = copier.copyOf(value, 0);
  return copier.isPlain ? { copy, bytesMax: copier.bytesMax } : undefined;
}

class Copier {
  isPlain = true;
  bytesMax = 0;

  copyOf(value: unknown, depth: number): unknown {
    this.bytesMax += bytesPerValue;
    switch (typeof value) {
      case 'string':
        this.bytesMax += value.length * bytesPerUnit;
        return value;
      case 'number':
        this.bytesMax += bytesPerNumber;
        return Number.isFinite(value) ? value + 0 : null;
      case 'boolean':
        return value;
      case 'object':
        if (value === null) return value;
        return Array.isArray(value) ? this.#listOf(value, depth + 1) : this.#objectOf(value, depth + 1);
      default:
        // At the top, in a list and in an object JSON treats what has no text in three ways.
        this.isPlain = false;
        return undefined;
    }
  }

  #listOf(list: readonly unknown[], depth: number): unknown {
    if (!this.#goesOn(list, Array.prototype, depth)) return undefined;
    return list.map((entry) => this.copyOf(entry, depth));
  }

  #objectOf(value: object, depth: number): unknown {
    if (!this.#goesOn(value, Object.prototype, depth)) return undefined;
    const copy: Record<string, unknown> = {};
    const entries = value as Readonly<Record<string, unknown>>;
    for (const name of Object.keys(entries)) {
      const entry = entries[name];
      if (entry === undefined) continue;
      if (name === '__proto__') this.isPlain = false;
      this.bytesMax += name.length * bytesPerUnit + bytesPerName;
      copy[name] = this.copyOf(entry, depth);
      if (!this.isPlain) return undefined;
    }
    return copy;
  }

  #goesOn(value: object, prototype: object, depth: number): boolean {
    const isKnown = Object.getPrototypeOf(value) === prototype && !('toJSON' in value);
    this.isPlain &&= isKnown && depth <= limits.jsonDepth;
    return this.isPlain;
  }
}
