/** Logs of attempts in memory, with the offsets and refusals of the real ones; they outlive a control node. */
import { BlixardError } from '../../src/domain/errors.ts';

/** Keeps everything, and sees no gap as long as no worker is lost. */
export class MemoryLogs {
  readonly #logs = new Map<string, Buffer[]>();

  async append(jobId: string, attempt: number, offset: number, bytes: Buffer, gap = false): Promise<number> {
    const key = `${jobId}/${attempt}`;
    const parts = this.#logs.get(key) ?? [];
    const end = lengthOf(parts);
    if (offset > end && !gap)
      throw new BlixardError('LOG_OFFSET_MISMATCH', { jobId, attempt, offset, expectedOffset: end });
    if (offset <= end) parts.push(bytes.subarray(end - offset));
    this.#logs.set(key, parts);
    return lengthOf(parts);
  }

  async seal(): Promise<void> {
    // Memory is as lasting as the simulation.
  }

  async size(
    jobId: string,
    attempt: number,
  ): Promise<{ endOffset: number; outputBytes: number; missingBytes: number }> {
    const bytes = this.read(jobId, attempt).length;
    return { endOffset: bytes, outputBytes: bytes, missingBytes: 0 };
  }

  async remove(jobId: string): Promise<void> {
    for (const key of this.#logs.keys()) if (key.startsWith(`${jobId}/`)) this.#logs.delete(key);
  }

  /** All records of an attempt. */
  read(jobId: string, attempt: number): Buffer {
    return Buffer.concat(this.#logs.get(`${jobId}/${attempt}`) ?? []);
  }

  /** Jobs that have a log. */
  jobs(): string[] {
    return [...new Set([...this.#logs.keys()].map((key) => key.split('/')[0] ?? ''))];
  }
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
