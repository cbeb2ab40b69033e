/** The part of an attempt's log that the server does not have yet: bounded uploads cut out of it, in order. */
import { encodeLogRecord, type LogStream, logHeaderBytes } from '../contract/log.ts';
import { limits } from '../domain/limits.ts';

/** Writes of one stream this close together become one record. */
const sameRecordMs = 5;

/** Log records to append at `offset`. */
export interface LogUpload {
  readonly offset: number;
  readonly bytes: Buffer;
  /** What lies before `offset` is lost at the server. */
  readonly gap: boolean;
}

interface Piece {
  readonly stream: LogStream;
  readonly atMs: number;
  readonly chunks: Buffer[];
  bytes: number;
}

/** Not bounded by itself: who adds looks at `bytes`. */
export class LogBuffer {
  #pieces: Piece[] = [];
  #pieceBytes = 0;
  #upload: LogUpload | undefined;
  #offset = 0;

  /** Bytes held, record headers included. */
  get bytes(): number {
    return this.#pieceBytes + (this.#upload?.bytes.length ?? 0);
  }

  /** Adds output of any length. */
  add(stream: LogStream, atMs: number, data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      const piece = this.#pieceFor(stream, atMs);
      const chunk = data.subarray(at, at + limits.logRecordBytes - piece.bytes);
      piece.chunks.push(chunk);
      piece.bytes += chunk.length;
      this.#pieceBytes += chunk.length;
      at += chunk.length;
    }
  }

  /** The next upload, the same one until it is acknowledged; undefined when nothing is held. */
  next(): LogUpload | undefined {
    this.#upload ??= this.#cutUpload();
    return this.#upload;
  }

  /** The server has the upload, its log ends at `endOffset`. */
  acknowledge(endOffset: number): void {
    this.#upload = undefined;
    this.#offset = endOffset;
  }

  /**
   * The server refused the upload because its log ends elsewhere; the next upload goes on from there, or after a
   * gap when those bytes are no longer held. False when the server's end makes no sense.
   */
  continueFrom(expectedOffset: number): boolean {
    const refused = this.#upload;
    if (refused === undefined || refused.gap) return false;
    const skip = expectedOffset - refused.offset;
    if (!(skip <= refused.bytes.length) || skip === 0) return false;
    if (skip === refused.bytes.length) this.acknowledge(expectedOffset);
    else if (skip < 0) this.#upload = { ...refused, gap: true };
    else this.#upload = { offset: expectedOffset, bytes: refused.bytes.subarray(skip), gap: false };
    return true;
  }

  /** Forgets everything held. */
  clear(): void {
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#upload = undefined;
  }

  #pieceFor(stream: LogStream, atMs: number): Piece {
    const last = this.#pieces.at(-1);
    if (
      last !== undefined &&
      last.stream === stream &&
      last.bytes < limits.logRecordBytes &&
      atMs - last.atMs < sameRecordMs
    ) {
      return last;
    }
    const piece: Piece = { stream, atMs, chunks: [], bytes: 0 };
    this.#pieces.push(piece);
    this.#pieceBytes += logHeaderBytes;
    return piece;
  }

  #cutUpload(): LogUpload | undefined {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#pieces) {
      const more = logHeaderBytes + piece.bytes;
      if (bytes + more > limits.logUploadBytes) break;
      bytes += more;
      count++;
    }
    if (count === 0) return undefined;
    const cut = this.#pieces.splice(0, count);
    this.#pieceBytes -= bytes;
    return { offset: this.#offset, bytes: Buffer.concat(cut.map(encodePiece)), gap: false };
  }
}

function encodePiece({ stream, atMs, chunks }: Piece): Buffer {
  return encodeLogRecord({ stream, atMs, data: Buffer.concat(chunks) });
}
