/** Keeps the newest bytes of a stream, up to a bound. */

export class TailBuffer {
  readonly #bytesMax: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(deps: { bytesMax: number }) {
    this.#bytesMax = deps.bytesMax;
  }

  push(chunk: Buffer): void {
    // A copy, so that a small rest does not keep a large read buffer alive.
    this.#chunks.push(Buffer.from(chunk.subarray(-this.#bytesMax)));
    this.#bytes += Math.min(chunk.length, this.#bytesMax);
    // Joined only at twice the bound: each byte is copied a bounded number of times.
    if (this.#bytes > 2 * this.#bytesMax || this.#chunks.length > 1_000) this.#compact();
  }

  /** The newest bytes as UTF-8; what is not UTF-8 is replaced. */
  text(): string {
    this.#compact();
    return (this.#chunks[0] ?? Buffer.alloc(0)).toString('utf8');
  }

  #compact(): void {
    const newest = Buffer.concat(this.#chunks).subarray(-this.#bytesMax);
    this.#chunks = [Buffer.from(newest)];
    this.#bytes = newest.length;
  }
}
