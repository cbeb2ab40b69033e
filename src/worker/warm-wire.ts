/**
 * What `blixard image warm` and the worker of a data directory tell each other: over a socket in that directory, one
 * line of JSON with the order, and lines of JSON in answer, the last of which is the template or why there is none.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Problem } from '../contract/problem.ts';
import { strict } from '../contract/schema.ts';
import { tenantPattern } from '../contract/submit-options.ts';
import { type Static, Type } from '../contract/typebox.ts';
import { Value } from '../contract/typebox-check.ts';
import { limits } from '../domain/limits.ts';

/** The VMs a template is asked for. */
export const WarmOrder = strict({
  image: Type.String({ minLength: 1, maxLength: 2 * limits.nameLength + 1, description: 'name or name:tag' }),
  memoryMiB: Type.Integer({ minimum: limits.memoryMiBMin, maximum: limits.memoryMiBMax }),
  vcpus: Type.Integer({ minimum: 1, maximum: limits.vcpusMax }),
  tenant: Type.Optional(
    Type.String({ pattern: tenantPattern, description: 'for its jobs of isolation maximum alone' }),
  ),
});
export type WarmOrder = Static<typeof WarmOrder>;

const WarmAnswer = Type.Union([
  strict({ step: Type.String() }),
  strict({ template: strict({ key: Type.String(), bytes: Type.Integer({ minimum: 0 }) }) }),
  strict({ problem: Problem }),
]);
export type WarmAnswer = Static<typeof WarmAnswer>;

/** An order, or an answer, as a line. */
export function warmLine(value: WarmOrder | WarmAnswer): string {
  return `${JSON.stringify(value)}\n`;
}

/** Throws TypeError that names the first wrong field. */
export function readWarmOrder(line: string): WarmOrder {
  const value: unknown = JSON.parse(line);
  if (Value.Check(WarmOrder, value)) return value;
  const [first] = Value.Errors(WarmOrder, value);
  throw new TypeError(`order${first?.instancePath ?? ''} ${first?.message ?? 'is invalid'}`);
}

/** Throws TypeError. */
export function readWarmAnswer(line: string): WarmAnswer {
  const value: unknown = JSON.parse(line);
  if (Value.Check(WarmAnswer, value)) return value;
  throw new TypeError('this is no answer');
}

/**
 * Where the socket of a data directory is: by the descriptor of that directory, since the path of a socket may have 107
 * bytes, and that of a directory more. Good until `folder` is closed.
 */
export async function warmSocket(dataDir: string): Promise<{ folder: FileHandle; path: string }> {
  const folder = await open(dataDir, 'r');
  return { folder, path: join('/proc/self/fd', `${folder.fd}`, 'warm.sock') };
}

/**
 * Calls `onLine` for each line until the socket ends. Destroys the socket with what `onLine` throws, and when more than
 * `bytesMax` have come.
 */
export function eachLine(socket: Socket, bytesMax: number, onLine: (line: string) => void): void {
  let text = '';
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) return void socket.destroy(new TypeError(`more than ${bytesMax} bytes`));
    const lines = `${text}${chunk.toString('latin1')}`.split('\n');
    text = lines.pop() ?? '';
    try {
      for (const line of lines) onLine(Buffer.from(line, 'latin1').toString());
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new TypeError(String(error)));
    }
  });
}
