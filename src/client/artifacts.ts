/** Reads artifacts in ranges, so that a lost connection costs no more than one of them. */
import { artifactHeaders } from '../contract/result.ts';
import { limits } from '../domain/limits.ts';
import { errorOf, invalid, readBody } from './answer.ts';
import type { WireResponse } from './transport.ts';
import type { AnyInput, CallOptions } from './wire.ts';

/** Which artifact, and from where on. */
export interface DownloadOptions extends CallOptions {
  /** Default: the newest. */
  readonly attempt?: number;
  /** Where to start, default 0. */
  readonly offset?: number;
}

/** One range of an artifact. */
interface ArtifactRange {
  readonly bytes: Buffer;
  readonly attempt: number;
  readonly size: number;
}

/** Makes the call of `readArtifact` and reads its answer. */
export type ReadArtifact = <T>(input: AnyInput, read: (response: WireResponse) => Promise<T>) => Promise<T>;

/** The bytes of an artifact from `offset` to its end, all of one attempt. */
export async function* downloadArtifact(
  deps: { readonly call: ReadArtifact; readonly url: string },
  jobId: string,
  name: string,
  options: DownloadOptions,
): AsyncGenerator<Buffer> {
  const { offset = 0, attempt: asked, ...rest } = options;
  let attempt = asked;
  for (let at = offset, size = Number.POSITIVE_INFINITY; at < size; ) {
    const range = `bytes=${at}-${at + limits.artifactChunkBytes - 1}`;
    const input = { ...rest, params: { id: jobId, name }, query: { attempt }, headers: { range } };
    const part = await deps.call(input, (response) => readRange(response, at, deps.url));
    ({ size, attempt } = part);
    at += part.bytes.length;
    if (part.bytes.length > 0) yield part.bytes;
  }
}

async function readRange(response: WireResponse, at: number, url: string): Promise<ArtifactRange> {
  // From its end on, or of an empty one, there is no range.
  if (response.status === 416) {
    const size = /^bytes \*\/(\d{1,15})$/.exec(response.headers['content-range'] ?? '')?.[1];
    if (Number(size) === at) {
      await readBody(response, url);
      return { bytes: Buffer.alloc(0), attempt: 0, size: at };
    }
  }
  if (response.status !== 206) throw await errorOf(response, url);
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(response.headers['content-range'] ?? '');
  const attempt = response.headers[artifactHeaders.attempt] ?? '';
  if (match === null || Number(match[1]) !== at || !/^\d{1,15}$/.test(attempt)) {
    throw invalid(url, `content-range: ${response.headers['content-range'] ?? 'missing'}`);
  }
  const bytes = await readBody(response, url);
  if (bytes.length === 0) throw invalid(url, 'an empty range');
  return { bytes, attempt: Number(attempt), size: Number(match[2]) };
}
