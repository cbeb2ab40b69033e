/** How bodies are read: strict UTF-8, JSON of bounded depth, no prototype tricks; or plain bytes. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parse } from 'secure-json-parse';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { badValue } from './validation.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Routes of this instance take JSON; an empty body is `{}`. */
export function acceptJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      assertReadable(request.headers, 'application/json');
      const text = decodeJsonText(body);
      done(null, text.trim() === '' ? {} : parseJsonSafely(text));
    } catch (error) {
      done(error as Error);
    }
  });
  refuseOthers(app, 'application/json');
  app.addHook('preValidation', async (request) => {
    if (request.body === undefined) request.body = {};
  });
}

/** Routes of this instance take bytes. */
export function acceptBytes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      assertNotEncoded(request.headers, 'application/octet-stream');
      done(null, body);
    } catch (error) {
      done(error as Error);
    }
  });
  refuseOthers(app, 'application/octet-stream');
  app.addHook('preValidation', async (request) => {
    if (request.body === undefined) request.body = Buffer.alloc(0);
  });
}

/**
 * The text of a JSON body. Throws BODY_INVALID_JSON for bytes that are no UTF-8, and for nesting beyond the
 * bound.
 */
export function decodeJsonText(body: Buffer, depthMax: number = limits.jsonDepth): string {
  if (nestsDeeper(body, depthMax)) {
    throw new BlixardError('BODY_INVALID_JSON', { problem: `nested deeper than ${depthMax}` });
  }
  try {
    return utf8.decode(body);
  } catch (error) {
    throw new BlixardError('BODY_INVALID_JSON', { problem: 'bytes that are not UTF-8' }, { cause: error });
  }
}

const quote = 0x22;
const backslash = 0x5c;
/** How much deeper a byte leads. */
const steps = Int8Array.from({ length: 256 }, (_, byte) =>
  '.[{'.indexOf(String.fromCharCode(byte)) > 0 ? 1 : '.]}'.indexOf(String.fromCharCode(byte)) > 0 ? -1 : 0,
);

function nestsDeeper(json: Buffer, depthMax: number): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0;
    if (byte === quote) inText = !inText;
    else if (inText && byte === backslash) at++;
    else if (!inText) {
      depth += steps[byte] ?? 0;
      if (depth > depthMax) return true;
    }
  }
  return false;
}

/**
 * A JSON text, without what could change prototypes. Throws BODY_INVALID_JSON with the place where the parser tells it,
 * and VALIDATION_FAILED for a name that could.
 */
export function parseJsonSafely(text: string): unknown {
  try {
    const reviver = /[:[,\s]-(?:0|[\d.]+e-)/i.test(text) ? positiveZero : undefined;
    return parse(text, reviver, { protoAction: 'error', constructorAction: 'error' });
  } catch (error) {
    throw (
      poisonOf(text) ?? new BlixardError('BODY_INVALID_JSON', { problem: problemOf(error) }, { cause: error })
    );
  }
}

/** JSON knows -0, also as -1e-999, and what is stored does not: the same body again would ask for something else. */
function positiveZero(_name: string, value: unknown): unknown {
  return value === 0 ? 0 : value;
}

/** Undefined for a text that is no JSON. */
function poisonOf(text: string): BlixardError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return poisoned(poisonIn(value) ?? [['body'], value]);
}

/** Throws VALIDATION_FAILED for a value of JSON with a name that could change prototypes. */
export function assertNoPoison(value: unknown): void {
  const found = poisonIn(value);
  if (found !== undefined) throw poisoned(found);
}

function poisoned([names, found]: [string[], unknown]): BlixardError {
  return badValue(names.join('.'), found, 'any name but __proto__, and constructor with a prototype');
}

/**
 * The first of them, and the names that lead to it; as deep as the text may be. A hostile body has millions of values,
 * so nothing is made for one that is fine.
 */
function poisonIn(value: unknown): [string[], unknown] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const found = poisonIn(value[at]);
      if (found !== undefined) return [[String(at), ...found[0]], found[1]];
    }
    return undefined;
  }
  for (const name of Object.keys(value)) {
    const inner = (value as Readonly<Record<string, unknown>>)[name];
    if (name === '__proto__' || (name === 'constructor' && hasPrototype(inner))) return [[name], inner];
    const found = poisonIn(inner);
    if (found !== undefined) return [[name, ...found[0]], found[1]];
  }
  return undefined;
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

/** Every other content type of this instance is refused. */
export function refuseOthers(app: FastifyInstance, allowed: string): void {
  app.addContentTypeParser('*', (request: FastifyRequest, _, done) => {
    done(unsupported(request.headers['content-type'], allowed));
  });
}

/** Throws MEDIA_TYPE_UNSUPPORTED for a body that is compressed, or of another charset: it would be misread. */
export function assertReadable(headers: IncomingHttpHeaders, allowed: string): void {
  assertNotEncoded(headers, allowed);
  const { 'content-type': contentType } = headers;
  const charsets = (contentType ?? '').matchAll(/;\s*charset\s*=\s*("[^"]*"|[^;]*)/gi);
  const isUtf8 = ([, value = '']: RegExpExecArray): boolean => /^"?utf-?8"?$/i.test(value.trim());
  if (![...charsets].every(isUtf8)) throw unsupported(contentType, `${allowed} in UTF-8`);
}

function assertNotEncoded(headers: IncomingHttpHeaders, allowed: string): void {
  const { 'content-type': contentType, 'content-encoding': encoding = 'identity' } = headers;
  if (/^identity$/i.test(encoding)) return;
  throw unsupported(`${contentType} with content-encoding ${encoding}`, `${allowed} without one`);
}

function unsupported(contentType: string | undefined, allowed: string): BlixardError {
  return new BlixardError('MEDIA_TYPE_UNSUPPORTED', { contentType: contentType ?? 'none', allowed });
}
