/** The output of one command on its way to whoever reads it: in order, one piece at a time, bounded in memory. */
import type { LogStream } from '../contract/log.ts';
import { limits } from '../domain/limits.ts';

/** Takes one piece of output, at most `limits.frameBytes` long; the next one comes when it has resolved. */
export type GuestOutput = (stream: LogStream, data: Buffer) => Promise<void>;

/** Bytes of one stream; more are joined to it while it waits. */
class Piece {
  readonly stream: LogStream;
  #bytes: Buffer;
  #length: number;

  constructor(stream: LogStream, data: Buffer) {
    this.stream = stream;
    this.#bytes = data;
    this.#length = data.length;
  }

  get data(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** False: they would make it longer than a frame. */
  join(data: Buffer): boolean {
    const length = this.#length + data.length;
    if (length > limits.frameBytes) return false;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(2 * length, limits.frameBytes));
      larger.set(this.data);
      this.#bytes = larger;
    }
    this.#bytes.set(data, this.#length);
    this.#length = length;
    return true;
  }
}

/** A queue that the guest's credit bounds in bytes, and the joining of pieces in number. */
export class OutputQueue {
  readonly #output: GuestOutput;
  readonly #delivered: (bytes: number) => void;
  readonly #failed: (error: unknown) => void;
  #waiting: Piece[] = [];
  #lastOf: Partial<Record<LogStream, Piece>> = {};
  #delivery: Promise<void> | undefined;

  /** `delivered` is told the bytes of each piece; `failed` the first error of `output`, after which nothing follows. */
  constructor(deps: {
    output: GuestOutput;
    delivered: (bytes: number) => void;
    failed: (error: unknown) => void;
  }) {
    this.#output = deps.output;
    this.#delivered = deps.delivered;
    this.#failed = deps.failed;
  }

  push(stream: LogStream, data: Buffer): void {
    const crowded = this.#waiting.length >= limits.outputPieces;
    // Joining past a piece of the other stream loses their order, so that is only for a guest that floods.
    const joinable = crowded ? this.#lastOf[stream] : this.#waiting.at(-1);
    if (joinable?.stream !== stream || !joinable.join(data)) {
      const piece = new Piece(stream, data);
      this.#waiting.push(piece);
      this.#lastOf[stream] = piece;
    }
    this.#delivery ??= this.#deliver();
  }

  /** Resolves when all that was pushed is delivered or dropped; never rejects. */
  async finished(): Promise<void> {
    await this.#delivery;
  }

  /** Forgets what waits. */
  drop(): void {
    this.#waiting = [];
    this.#lastOf = {};
  }

  async #deliver(): Promise<void> {
    try {
      for (let piece = this.#take(); piece !== undefined; piece = this.#take()) {
        await this.#output(piece.stream, piece.data);
        this.#delivered(piece.data.length);
      }
    } catch (error) {
      this.drop();
      this.#failed(error);
    }
    this.#delivery = undefined;
  }

  #take(): Piece | undefined {
    const piece = this.#waiting.shift();
    if (piece !== undefined && this.#lastOf[piece.stream] === piece) delete this.#lastOf[piece.stream];
    return piece;
  }
}
