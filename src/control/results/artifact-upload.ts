/** One artifact while it comes in: its file, how much of it is there, and the hash of that. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';

/** An open file that grows at its end only. */
export class ArtifactUpload {
  readonly #handle: FileHandle;
  readonly #hash: Hash;
  readonly #name: string;
  #size: number;

  private constructor(name: string, handle: FileHandle, hash: Hash, size: number) {
    this.#name = name;
    this.#handle = handle;
    this.#hash = hash;
    this.#size = size;
  }

  /** Goes on where an earlier process stopped. */
  static async open(name: string, file: string): Promise<ArtifactUpload> {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(file, 'a+');
    const hash = createHash('sha256');
    let size = 0;
    try {
      const { size: there } = await handle.stat();
      const whole = { start: 0, end: there - 1, autoClose: false };
      for await (const chunk of there === 0 ? [] : handle.createReadStream(whole)) {
        hash.update(chunk as Buffer);
        size += (chunk as Buffer).length;
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new ArtifactUpload(name, handle, hash, size);
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Appends what of these bytes is not there yet. Throws ARTIFACT_OFFSET_MISMATCH, ARTIFACT_REFUSED; after an error of
   * the disk it must be opened anew, to see what of them is there.
   */
  async append(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset > this.#size) {
      const details = { name: this.#name, offset, expectedOffset: this.#size };
      throw new BlixardError('ARTIFACT_OFFSET_MISMATCH', details);
    }
    const fresh = bytes.subarray(this.#size - offset);
    if (this.#size + fresh.length > limits.artifactBytes) {
      const problem = `it is larger than ${limits.artifactBytes} bytes`;
      throw new BlixardError('ARTIFACT_REFUSED', { name: this.#name, problem });
    }
    if (fresh.length === 0) return;
    for (let done = 0; done < fresh.length; ) {
      done += (await this.#handle.write(fresh, done)).bytesWritten;
    }
    this.#hash.update(fresh);
    this.#size += fresh.length;
  }

  /** The SHA-256 of all that is there, in hex. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Puts it on disk for good. */
  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
