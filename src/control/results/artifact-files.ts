/** The files of all artifacts: written in parts, whole when their row says so, read in ranges, gone with their job. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { BlixardError, isBlixardError, problemOf } from '../../domain/errors.ts';
import { isUuidV7 } from '../../domain/ids.ts';
import { limits } from '../../domain/limits.ts';
import { removeTree, syncDirectory } from '../../platform/files.ts';
import { ArtifactUpload } from './artifact-upload.ts';

/** Which artifact; the name is whatever the job made up. */
export interface ArtifactKey {
  readonly jobId: string;
  readonly attempt: number;
  readonly name: string;
}

/** One artifact that comes in, and what waits for its turn with it. */
interface OpenUpload {
  readonly upload: Promise<ArtifactUpload>;
  last: Promise<unknown>;
  users: number;
}

/** Artifacts in `dir/<job id>/<attempt>/<hash of the name>`: no name of a guest ever becomes a path. */
export class ArtifactFiles {
  readonly #dir: string;
  /** Least recently used first. */
  readonly #open = new Map<string, OpenUpload>();

  constructor(deps: { dir: string }) {
    this.#dir = deps.dir;
  }

  /**
   * Appends a part and gives where the file ends then; what is there already is skipped. Rejects with
   * ARTIFACT_OFFSET_MISMATCH, ARTIFACT_REFUSED, OVERLOADED, DISK_FULL or STORE_UNAVAILABLE.
   */
  append(key: ArtifactKey, offset: number, bytes: Uint8Array): Promise<number> {
    return this.#use(key, async (upload) => {
      await upload.append(offset, bytes);
      return upload.size;
    });
  }

  /** Puts the file on disk for good and tells what it is. Rejects with DISK_FULL or STORE_UNAVAILABLE. */
  seal(key: ArtifactKey): Promise<{ size: number; sha256: string }> {
    return this.#use(key, async (upload) => {
      await upload.sync();
      await syncDirectory(dirname(this.#fileOf(key)));
      return { size: upload.size, sha256: upload.sha256() };
    });
  }

  /** Nothing more comes for this one. */
  async done(key: ArtifactKey): Promise<void> {
    const file = this.#fileOf(key);
    const entry = this.#open.get(file);
    this.#open.delete(file);
    if (entry !== undefined) await closeUpload(entry);
  }

  /** Removes a file that is not to be kept. */
  async discard(key: ArtifactKey): Promise<void> {
    await this.done(key);
    await asDiskError(rm(this.#fileOf(key), { force: true }));
  }

  /** The bytes from `start` up to, not including, `end`. */
  read(key: ArtifactKey, start: number, end: number): Readable {
    return createReadStream(this.#fileOf(key), { start, end: end - 1 });
  }

  /** Removes all artifacts of a job; when there are none, nothing. Rejects with STORE_UNAVAILABLE. */
  async remove(jobId: string): Promise<void> {
    if (!isUuidV7(jobId)) return;
    const dir = join(this.#dir, jobId);
    for (const [file, entry] of this.#open) {
      if (!file.startsWith(`${dir}/`)) continue;
      this.#open.delete(file);
      await closeUpload(entry);
    }
    await asDiskError(removeTree(dir));
  }

  async close(): Promise<void> {
    const entries = [...this.#open.values()];
    this.#open.clear();
    for (const entry of entries) await closeUpload(entry);
  }

  #fileOf({ jobId, attempt, name }: ArtifactKey): string {
    // A job id becomes a folder: nothing but an id may.
    if (!isUuidV7(jobId)) throw new BlixardError('JOB_NOT_FOUND', { jobId });
    const hash = createHash('sha256').update(name).digest('hex');
    return join(this.#dir, jobId, String(attempt), hash);
  }

  /** One after the other. */
  async #use<T>(key: ArtifactKey, act: (upload: ArtifactUpload) => Promise<T>): Promise<T> {
    const file = this.#fileOf(key);
    const entry = this.#open.get(file) ?? {
      upload: ArtifactUpload.open(key.name, file),
      last: Promise.resolve(),
      users: 0,
    };
    if (entry.users >= limits.artifactUploadsWaiting) {
      throw new BlixardError('OVERLOADED', { problem: `parts of the artifact ${key.name}` });
    }
    this.#open.delete(file);
    this.#open.set(file, entry);
    entry.users++;
    const turn = entry.last.then(async () => act(await entry.upload));
    entry.last = turn.catch(nothing);
    try {
      return await asDiskError(turn);
    } catch (error) {
      // What is on the disk now is seen when the next part opens it anew.
      if (isBlixardError(error, 'DISK_FULL') || isBlixardError(error, 'STORE_UNAVAILABLE')) {
        await this.#forget(file, entry);
      }
      throw error;
    } finally {
      entry.users--;
      await this.#closeIdle();
    }
  }

  async #forget(file: string, entry: OpenUpload): Promise<void> {
    if (this.#open.get(file) !== entry) return;
    this.#open.delete(file);
    await closeUpload(entry);
  }

  async #closeIdle(): Promise<void> {
    if (this.#open.size <= limits.artifactUploadsOpen) return;
    for (const [file, entry] of this.#open) {
      if (entry.users > 0) continue;
      this.#open.delete(file);
      await closeUpload(entry);
      return;
    }
  }
}

function nothing(): void {
  // Its own caller hears of it; the next part has its turn all the same.
}

function isBroken(entry: OpenUpload): Promise<boolean> {
  return entry.upload.then(
    () => false,
    () => true,
  );
}

async function closeUpload(entry: OpenUpload): Promise<void> {
  await entry.last;
  if (!(await isBroken(entry))) await (await entry.upload).close();
}

/** An error of the operating system in the words of the catalogue; any other as it is. */
async function asDiskError<T>(act: Promise<T>): Promise<T> {
  try {
    return await act;
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    const problem = `an artifact: ${problemOf(error)}`;
    throw new BlixardError(isFull ? 'DISK_FULL' : 'STORE_UNAVAILABLE', { problem }, { cause: error });
  }
}
