/** Files of artifacts in memory, for tests that are not about the disk. */
import { createHash } from 'node:crypto';
import { BlixardError } from '../../domain/errors.ts';
import type { JobLogs } from '../forget-commands.ts';
import type { ArtifactKey } from './artifact-files.ts';

export class FakeArtifactFiles implements JobLogs {
  readonly #files = new Map<string, Map<string, Buffer>>();

  /** Jobs that have files. */
  get jobIds(): string[] {
    return [...this.#files.keys()];
  }

  async append(key: ArtifactKey, offset: number, bytes: Uint8Array): Promise<number> {
    const there = this.read(key);
    if (offset > there.length)
      throw new BlixardError('ARTIFACT_OFFSET_MISMATCH', { name: key.name, expectedOffset: there.length });
    const whole = Buffer.concat([there, bytes.subarray(Math.max(0, there.length - offset))]);
    const ofJob = this.#files.get(key.jobId) ?? new Map<string, Buffer>();
    this.#files.set(key.jobId, ofJob.set(placeOf(key), whole));
    return whole.length;
  }

  async seal(key: ArtifactKey): Promise<{ size: number; sha256: string }> {
    const bytes = this.read(key);
    return { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  async done(): Promise<void> {
    // Nothing is open.
  }

  async discard(key: ArtifactKey): Promise<void> {
    this.#files.get(key.jobId)?.delete(placeOf(key));
  }

  async remove(jobId: string): Promise<void> {
    this.#files.delete(jobId);
  }

  /** What is there of one. */
  read(key: ArtifactKey): Buffer {
    return this.#files.get(key.jobId)?.get(placeOf(key)) ?? Buffer.alloc(0);
  }
}

function placeOf({ attempt, name }: ArtifactKey): string {
  return `${attempt}/${name}`;
}
