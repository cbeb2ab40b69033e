/** Reads what is given on standard input. */
import type { Readable } from 'node:stream';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

/** All of it. Rejects with USAGE past `limits.stdinBytes`. */
export async function readStdin(stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    bytes += chunks.at(-1)?.length ?? 0;
    if (bytes > limits.stdinBytes) {
      const problem = `standard input is longer than ${limits.stdinBytes} bytes`;
      throw new BlixardError('USAGE', { problem });
    }
  }
  return Buffer.concat(chunks);
}
