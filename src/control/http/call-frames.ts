/** The frames of a message: one whose values no body may hold is refused by itself, and the calls beside it go on. */
import { type Route, routes } from '../../contract/routes.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { forEachLine } from '../submit/batch-line.ts';
import { assertNoPoison, decodeJsonText, parseJsonSafely } from './bodies.ts';

/** A frame and the list it stands in are two objects around what HTTP takes as a body. */
const depthMax = limits.jsonDepth + 2;
/** Deeper than any mistake of a caller: to find out which frame it is would take a second for 4 MiB of brackets. */
const rawDepthMax = 100 * limits.jsonDepth;

/** What a frame says; nothing of it is believed. */
export interface Frame {
  readonly id?: unknown;
  readonly cancel?: unknown;
  readonly route?: unknown;
  readonly body?: unknown;
}

/** One that is to be answered with why it was refused. */
export class RefusedFrame implements Frame {
  readonly id: unknown;
  readonly route: unknown;
  readonly error: unknown;

  constructor({ id, route }: Frame, error: unknown) {
    this.id = id;
    this.route = route;
    this.error = error;
  }
}

/** Throws BODY_INVALID_JSON for what is no list of JSON. */
export function framesOf(message: Buffer): Iterable<unknown> {
  let frames: unknown;
  try {
    frames = parseJsonSafely(decodeJsonText(message, depthMax));
  } catch (error) {
    const raw = readRaw(message);
    if (!Array.isArray(raw)) throw error;
    return readEach(raw);
  }
  if (Array.isArray(frames)) return frames;
  throw new BlixardError('BODY_INVALID_JSON', { problem: 'not a list of frames' });
}

/** One after the other, as they are taken: the errors of all frames of a message could be a gigabyte. */
function* readEach(frames: readonly (Frame | null)[]): Generator<unknown> {
  for (const frame of frames) yield readAlone(frame);
}

/** Undefined for what is no JSON. */
function readRaw(message: Buffer): unknown {
  try {
    return JSON.parse(decodeJsonText(message, rawDepthMax));
  } catch {
    return undefined;
  }
}

function readAlone(frame: Frame | null): unknown {
  try {
    assertShallow(frame);
    // Told as over HTTP: by its place in the body, and of a batch by its line.
    if (hasLines(frame)) forEachLine(frame.body, assertNoPoison);
    else assertNoPoison(frame?.body);
    assertNoPoison(frame);
    dropNegativeZeros(frame);
    return frame;
  } catch (error) {
    return new RefusedFrame(frame ?? {}, error);
  }
}

/** In place, and not by way of a text, in which Infinity, as JSON.parse has 1e999, would be null. */
function dropNegativeZeros(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      if (value[at] === 0) value[at] = 0;
      else dropNegativeZeros(value[at]);
    }
    return;
  }
  const values = value as Record<string, unknown>;
  for (const name of Object.keys(values)) {
    if (values[name] === 0) values[name] = 0;
    else dropNegativeZeros(values[name]);
  }
}

function hasLines(frame: Frame | null): frame is Frame & { readonly body: unknown[] } {
  const name = frame?.route;
  if (typeof name !== 'string' || !Object.hasOwn(routes, name) || !Array.isArray(frame?.body)) return false;
  const route: Route = routes[name as keyof typeof routes];
  return route.bodyIsLines === true;
}

function assertShallow(frame: unknown): void {
  // The list around the frame is one of the levels that a message may have.
  if (!isDeeper(frame, depthMax - 1)) return;
  throw new BlixardError('BODY_INVALID_JSON', { problem: `nested deeper than ${limits.jsonDepth}` });
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((inner) => isDeeper(inner, levels - 1));
  return Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
