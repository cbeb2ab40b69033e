/** What the other end answered: JSON, the error it tells of, or nothing a Blixard server would say. */
import { errorOfProblem, problemContentType } from '../contract/problem.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { WireReply, WireResponse } from './transport.ts';

/**
 * Reads a body whole. Rejects with SERVER_UNREACHABLE when it is cut off, SERVER_ANSWER_INVALID when it is
 * too long.
 */
export async function readBody(response: WireResponse, url: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(response, url)) {
    bytes += chunk.length;
    if (bytes > limits.replyBytes) throw invalid(url, `more than ${limits.replyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The chunks of a body; one that is cut off rejects with SERVER_UNREACHABLE, an aborted one with its
 * AbortError.
 */
export async function* chunksOf(response: WireResponse, url: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response.body) yield chunk as Buffer;
  } catch (error) {
    if (isAbort(error)) throw error;
    throw unreachable(url, error);
  }
}

/**
 * The JSON object of an answer with the status its route promises; any other rejects with the error it
 * tells of.
 */
export async function readJson(response: WireResponse, status: number, url: string): Promise<object> {
  if (response.status !== status) throw await errorOf(response, url);
  const parsed = parse(await readBody(response, url), url);
  if (typeof parsed !== 'object' || parsed === null) throw invalid(url, 'not a JSON object');
  return parsed;
}

/** The JSON object of a reply with the status its route promises; throws the error that any other tells of. */
export function valueOfReply(reply: WireReply | undefined, status: number, url: string): object {
  const { body } = reply ?? {};
  if (reply?.status !== status) throw errorOfProblem(body) ?? invalid(url, `status ${reply?.status}`);
  if (typeof body !== 'object' || body === null) throw invalid(url, 'not a JSON object');
  return body;
}

/** The error an answer tells of. */
export async function errorOf(response: WireResponse, url: string): Promise<BlixardError> {
  const contentType = response.headers['content-type'] ?? 'none';
  const body = await readBody(response, url);
  const told = contentType.startsWith(problemContentType) ? errorOfProblem(parse(body, url)) : undefined;
  return told ?? invalid(url, `status ${response.status}, content type ${contentType}`);
}

/** No answer came, or not all of it. */
export function unreachable(url: string, cause: unknown): BlixardError {
  return new BlixardError('SERVER_UNREACHABLE', { url, problem: problemOf(cause) }, { cause });
}

/** An answer no Blixard server would give. */
export function invalid(url: string, problem: string, cause?: unknown): BlixardError {
  return new BlixardError('SERVER_ANSWER_INVALID', { url, problem }, { cause });
}

/** True for the error of an aborted signal. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The JSON value of a body. Throws SERVER_ANSWER_INVALID. */
export function parse(bytes: Buffer, url: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid(url, 'not JSON', error);
  }
}
