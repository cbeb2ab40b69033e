/** Standard output and error as the commands see them: data apart from talk, honest about a reader that has left. */
import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { BlixardError, problemOf } from '../domain/errors.ts';

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
  /** Resolves when the bytes are taken; rejects with OutputClosed when the reader has gone, else OUTPUT_FAILED. */
  write(stream: OutputName, data: string | Uint8Array): Promise<void>;
}

/** The reader of a stream has gone, as with `blixard job ls | head -1`. */
export class OutputClosed extends Error {
  /** `stdout` also where both go to one pipe. */
  readonly stream: OutputName;

  constructor(stream: OutputName) {
    super(`standard ${stream === 'stdout' ? 'output' : 'error'} was closed by its reader`);
    this.stream = stream;
    this.name = 'OutputClosed';
  }
}

type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly fd?: number };
type Streams = Readonly<Record<OutputName, OutputStream>>;

/** The terminal of this process. Call once: it takes over the streams' error events. */
export function processTerminal(streams: Streams, env: NodeJS.ProcessEnv): Terminal {
  const mayColour = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  for (const name of ['stdout', 'stderr'] as const) ignoreErrorEvents(streams[name]);
  return {
    isTty: (name) => streams[name].isTTY === true,
    columns: streams.stdout.isTTY === true ? streams.stdout.columns : undefined,
    hasColour: (name) => mayColour && streams[name].isTTY === true,
    write: (name, data) => writeAll(streams, name, data),
  };
}

/** Each write hears of its own failure; the event would end the process. */
function ignoreErrorEvents(stream: OutputStream): void {
  stream.on('error', () => undefined);
}

function writeAll(streams: Streams, name: OutputName, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    streams[name].write(data, (error) => {
      if (error == null) resolve();
      else if (readerHasGone(error)) reject(new OutputClosed(goOneWay(streams) ? 'stdout' : name));
      else reject(unwritten(name, error));
    });
  });
}

/** As with `2>&1 | head -1`: what is lost for one is lost for both. */
function goOneWay({ stdout, stderr }: Streams): boolean {
  if (stdout.fd === undefined || stderr.fd === undefined) return false;
  const [one, other] = [fstatSync(stdout.fd), fstatSync(stderr.fd)];
  return one.dev === other.dev && one.ino === other.ino;
}

function unwritten(name: OutputName, error: Error): BlixardError {
  const output = name === 'stdout' ? 'output' : 'error';
  return new BlixardError('OUTPUT_FAILED', { output, problem: problemOf(error) }, { cause: error });
}

function readerHasGone(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';
}
