/** A cache that holds the most recently used entries, at most so many. */

export class BoundedCache<V> {
  readonly #entries = new Map<string, V>();
  readonly #max: number;
  readonly #make: (key: string) => V;

  /** `make` computes a missing value; what it throws reaches the caller and is not kept. */
  constructor(deps: { max: number; make: (key: string) => V }) {
    this.#max = deps.max;
    this.#make = deps.make;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V {
    const found = this.#entries.get(key);
    if (found === undefined) return this.#add(key);
    // While nothing will be dropped soon, the order does not matter, and keeping it costs more than the look-up.
    if (this.#entries.size * 2 < this.#max) return found;
    // A map keeps insertion order, so the first key is the one used longest ago.
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found;
  }

  /** Holds nothing any more. */
  clear(): void {
    this.#entries.clear();
  }

  #add(key: string): V {
    const value = this.#make(key);
    if (this.#entries.size >= this.#max) this.#dropOldest();
    this.#entries.set(key, value);
    return value;
  }

  #dropOldest(): void {
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}
