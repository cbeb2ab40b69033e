/**
 * Cuts what the agent's `collect` task prints into files: `u8 kind | u16 name length | name`, and for files
 * `(u32 length | bytes)… | u32 0`, or all ones in place of the 0. The guest may be hostile: the first thing that is not
 * so throws GUEST_PROTOCOL. `guest/collect.c` writes it.
 */
import { limits } from '../domain/limits.ts';
import { guestBroke } from './guest-replies.ts';

/** What comes out, in order: a `file` is followed by its `bytes` and one `end`, a `note` stands alone. */
export type BundlePart =
  | { readonly kind: 'file'; readonly what: 'result' | 'artifact'; readonly name: Buffer }
  | { readonly kind: 'note'; readonly text: Buffer }
  | { readonly kind: 'bytes'; readonly data: Buffer }
  /** Not whole: it grew while it was read, or could not be read to its end. */
  | { readonly kind: 'end'; readonly whole: boolean };

const kinds = { result: 0x52, artifact: 0x41, note: 0x4e } as const;
const headBytes = 3;
const lengthBytes = 4;
const nameBytesMax = 4_096;
const broken = 0xffff_ffff;

/** Holds at most one piece that has not come whole yet. */
export class BundleReader {
  #pending: Buffer = Buffer.alloc(0);
  #inFile = false;

  /** The parts that are whole now. */
  push(data: Buffer): BundlePart[] {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    const parts: BundlePart[] = [];
    for (let part = this.#next(); part !== undefined; part = this.#next()) parts.push(part);
    return parts;
  }

  /** Throws unless all that has begun has come to its end. */
  finish(): void {
    if (this.#inFile || this.#pending.length > 0) throw guestBroke('a file cut off in the middle');
  }

  #next(): BundlePart | undefined {
    return this.#inFile ? this.#nextBytes() : this.#nextHead();
  }

  #nextHead(): BundlePart | undefined {
    if (this.#pending.length < headBytes) return undefined;
    const kind = this.#pending.readUInt8(0);
    const length = this.#pending.readUInt16LE(1);
    if (length > nameBytesMax) throw guestBroke(`a name of ${length} bytes`);
    const name = this.#take(headBytes, length);
    if (name === undefined) return undefined;
    if (kind === kinds.note) return { kind: 'note', text: name };
    this.#inFile = true;
    if (kind === kinds.result) return { kind: 'file', what: 'result', name };
    if (kind === kinds.artifact) return { kind: 'file', what: 'artifact', name };
    throw guestBroke(`a file of kind ${kind}`);
  }

  #nextBytes(): BundlePart | undefined {
    if (this.#pending.length < lengthBytes) return undefined;
    const length = this.#pending.readUInt32LE(0);
    if (length === 0 || length === broken) {
      this.#take(lengthBytes, 0);
      this.#inFile = false;
      return { kind: 'end', whole: length === 0 };
    }
    if (length > limits.frameBytes) throw guestBroke(`a piece of a file of ${length} bytes`);
    const data = this.#take(lengthBytes, length);
    return data === undefined ? undefined : { kind: 'bytes', data };
  }

  /** What follows `skip` bytes, when it is there. */
  #take(skip: number, length: number): Buffer | undefined {
    if (this.#pending.length < skip + length) return undefined;
    const taken = this.#pending.subarray(skip, skip + length);
    this.#pending = this.#pending.subarray(skip + length);
    return taken;
  }
}
