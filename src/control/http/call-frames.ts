/** The frames of a message: one whose values no body may hold is refused by itself, and the calls beside it go on. */
import { type Route, routes } from '../../contract/routes.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { forEachLine } from '../submit/batch-line.ts';
import { assertNoPoison, decodeJsonText, parseJsonSafely, positiveZero } from './bodies.ts';

/** A frame and the list it stands in are two objects around what HTTP takes as a body. */
const depthMax = limits.jsonDepth + 2;

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
export function framesOf(message: Buffer): readonly unknown[] {
  const frames = readTogether(message);
  if (!Array.isArray(frames))
    throw new BlixardError('BODY_INVALID_JSON', { problem: 'not a list of frames' });
  return frames;
}

function readTogether(message: Buffer): unknown {
  try {
    return parseJsonSafely(decodeJsonText(message, depthMax));
  } catch (error) {
    const frames = readRaw(message);
    if (!Array.isArray(frames)) throw error;
    return frames.map(readAlone);
  }
}

/** Undefined for what is no JSON. */
function readRaw(message: Buffer): unknown {
  try {
    return JSON.parse(decodeJsonText(message, Number.POSITIVE_INFINITY));
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
    return withoutNegativeZero(frame);
  } catch (error) {
    return new RefusedFrame(frame ?? {}, error);
  }
}

/** Not by way of a text, in which Infinity, as JSON.parse has 1e999, would be null. */
function withoutNegativeZero(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (typeof value !== 'object' || value === null) return positiveZero('', value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutNegativeZero(inner)]));
}

function hasLines(frame: Frame | null): frame is Frame & { readonly body: unknown[] } {
  const name = frame?.route;
  if (typeof name !== 'string' || !Object.hasOwn(routes, name) || !Array.isArray(frame?.body)) return false;
  const route: Route = routes[name as keyof typeof routes];
  return route.bodyIsLines === true;
}

/** The list around the frame is one of the levels that a message may have. */
function assertShallow(frame: unknown): void {
  let level: unknown[] = [frame];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > depthMax) {
      const problem = `nested deeper than ${limits.jsonDepth}`;
      throw new BlixardError('BODY_INVALID_JSON', { problem });
    }
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
  }
}
