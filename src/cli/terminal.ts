/** Standard output and error as the commands see them: data apart from talk, honest about a reader that has left. */
import type { Writable } from 'node:stream';

/** The two streams of output. */
export type OutputName = 'stdout' | 'stderr';

/** Where commands write, and whether a person looks. */
export interface Terminal {
  /** True when a person looks at this stream. */
  isTty(stream: OutputName): boolean;
  /** Width for tables; undefined when nobody looks. */
  readonly columns: number | undefined;
  /** False under NO_COLOR and for pipes. */
  hasColour(stream: OutputName): boolean;
  /** Resolves when the bytes are taken; rejects with OutputClosed when the reader has gone. */
  write(stream: OutputName, data: string | Uint8Array): Promise<void>;
}

/** The reader of standard output has gone, as with `blixard job ls | head -1`. */
export class OutputClosed extends Error {
  constructor() {
    super('standard output was closed by its reader');
    this.name = 'OutputClosed';
  }
}

type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };
type Streams = Readonly<Record<OutputName, OutputStream>>;

/** The terminal of this process. Call once: it takes over the streams' error events. */
export function processTerminal(streams: Streams, env: NodeJS.ProcessEnv): Terminal {
  const mayColour = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  for (const name of ['stdout', 'stderr'] as const) ignoreErrorEvents(streams[name]);
  return {
    isTty: (name) => streams[name].isTTY === true,
    columns: streams.stdout.isTTY === true ? streams.stdout.columns : undefined,
    hasColour: (name) => mayColour && streams[name].isTTY === true,
    write: (name, data) => writeAll(streams[name], data),
  };
}

/** Each write hears of its own failure; the event would end the process. */
function ignoreErrorEvents(stream: OutputStream): void {
  stream.on('error', () => undefined);
}

function writeAll(stream: OutputStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error == null) resolve();
      else reject(readerHasGone(error) ? new OutputClosed() : error);
    });
  });
}

function readerHasGone(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';
}
