/** Bodies of one JSON value on each line (NDJSON); what is wrong with one is told with its line. */
import type { FastifyInstance } from 'fastify';
import { blankLine, linesContentType } from '../../contract/schema.ts';
import type { BlixardError } from '../../domain/errors.ts';
import { forEachLine, refusedLine } from '../submit/batch-line.ts';
import { assertReadable, decodeJsonText, parseJsonSafely, refuseOthers } from './bodies.ts';
import { type Finding, validationFailure } from './validation.ts';

const newline = 0x0a;

/** Routes of this instance take lines of JSON; the last may end in a line break or not. */
export function acceptLines(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(linesContentType, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      assertReadable(request.headers, linesContentType);
      done(null, forEachLine(linesOf(body), parseLine));
    } catch (error) {
      done(error as Error);
    }
  });
  refuseOthers(app, linesContentType);
  app.addHook('preValidation', async (request) => {
    if (request.body === undefined) request.body = [];
  });
}

/** What the validator found, with the line it stands on. */
export function lineFailure(findings: readonly Finding[], part: string): BlixardError {
  const line = /^\/(\d+)/.exec(findings[0]?.instancePath ?? '')?.[1];
  if (part !== 'body' || line === undefined) return validationFailure(findings, part);
  const inLine = findings.map((each) => ({
    ...each,
    instancePath: each.instancePath.slice(line.length + 1),
  }));
  const failure = validationFailure(inLine, 'job');
  return refusedLine(Number(line), failure.code, failure.message, failure);
}

function parseLine(line: Buffer, index: number): unknown {
  const text = decodeJsonText(line);
  // To skip it would make the numbers of lines wrong that are told of the others.
  if (text.trim() === '') throw refusedLine(index, 'BODY_INVALID_JSON', blankLine);
  return parseJsonSafely(text);
}

function linesOf(body: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < body.length; ) {
    const found = body.indexOf(newline, start);
    const end = found < 0 ? body.length : found;
    lines.push(body.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
