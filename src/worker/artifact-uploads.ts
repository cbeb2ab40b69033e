/** Sends the artifacts of one attempt to the server, in parts, each until it has it; holds one part in memory. */
import { createHash, type Hash } from 'node:crypto';
import { limits } from '../domain/limits.ts';

/** A part at its place; with the last one the SHA-256 of the whole, in hex. */
export interface UploadPart {
  readonly name: string;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly sha256?: string;
}

/** The artifact under way. */
interface Upload {
  readonly name: string;
  readonly hash: Hash;
  readonly waiting: Buffer[];
  waitingBytes: number;
  offset: number;
}

/** One after the other, as an executor gives them. */
export class ArtifactUploads {
  readonly #send: (part: UploadPart) => Promise<void>;
  #upload: Upload | undefined;

  /** `send` resolves when the server has the part. */
  constructor(deps: { send: (part: UploadPart) => Promise<void> }) {
    this.#send = deps.send;
  }

  /** Takes the next piece; resolves when there is room for more. Rejects with why the artifact is not kept. */
  async take(name: string, data: Buffer, last: boolean): Promise<void> {
    if (this.#upload?.name !== name) this.#upload = begin(name);
    const upload = this.#upload;
    upload.hash.update(data);
    upload.waiting.push(data);
    upload.waitingBytes += data.length;
    while (upload.waitingBytes >= limits.artifactUploadBytes) await this.#sendPart(upload);
    if (!last) return;
    this.#upload = undefined;
    await this.#sendPart(upload, upload.hash.digest('hex'));
  }

  async #sendPart(upload: Upload, sha256?: string): Promise<void> {
    const all = Buffer.concat(upload.waiting);
    const bytes = all.subarray(0, limits.artifactUploadBytes);
    const rest = all.subarray(bytes.length);
    const { name, offset } = upload;
    await this.#send({ name, offset, bytes, ...(sha256 === undefined ? {} : { sha256 }) });
    upload.waiting.splice(0, upload.waiting.length, rest);
    upload.waitingBytes = rest.length;
    upload.offset += bytes.length;
  }
}

function begin(name: string): Upload {
  return { name, hash: createHash('sha256'), waiting: [], waitingBytes: 0, offset: 0 };
}
