/** What a VMM says. */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { TailBuffer } from '../tail-buffer.ts';

/** Heard from its spawn on: what nobody listens to when the process ends is lost. */
export class Words {
  readonly console = new TailBuffer({ bytesMax: limits.consoleBytes });
  readonly stderr = new TailBuffer({ bytesMax: limits.vmmStderrBytes });
  /** Resolves when it has said all. */
  readonly whole: Promise<unknown>;

  constructor(child: ChildProcess) {
    this.whole = Promise.all([collect(child.stdout, this.console), collect(child.stderr, this.stderr)]);
  }
}

async function collect(stream: Readable | null, tail: TailBuffer): Promise<void> {
  if (stream === null) return;
  stream.on('data', (chunk: Buffer) => tail.push(chunk));
  await finished(stream).catch((error) => tail.push(Buffer.from(`\n[output lost: ${problemOf(error)}]`)));
}
