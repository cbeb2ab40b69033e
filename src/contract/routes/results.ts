/** The rows of the route table about what jobs tell: progress, result, artifacts. */
import { ArtifactList, ArtifactName, ArtifactPart, TellProgress } from '../result.ts';
import { attemptParams, jobParams } from '../route-params.ts';
import type { Route } from '../routes.ts';
import { strict, wholeNumber } from '../schema.ts';
import { Type } from '../typebox.ts';
import { StartAttempt } from '../worker.ts';

const ofAttempt = { attempt: Type.Optional(wholeNumber(1, { description: 'default: the newest' })) };

export const resultRoutes = {
  getResult: {
    method: 'GET',
    path: '/v1/jobs/{id}/result',
    summary: 'The JSON that an ended job wrote as its result, as it wrote it.',
    params: jobParams,
    status: 200,
    reply: 'stream',
    streams: 'application/json',
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'RESULT_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  listArtifacts: {
    method: 'GET',
    path: '/v1/jobs/{id}/artifacts',
    summary: 'The artifacts of an attempt, by name.',
    params: jobParams,
    query: strict(ofAttempt),
    status: 200,
    reply: ArtifactList,
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'ATTEMPT_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  readArtifact: {
    method: 'GET',
    path: '/v1/jobs/{id}/artifacts/{name}',
    summary: 'One artifact, or the range of it that the range header asks for (206); HEAD, too.',
    params: strict({ ...jobParams.properties, name: ArtifactName }),
    query: strict(ofAttempt),
    headers: Type.Object({
      range: Type.Optional(Type.String({ maxLength: 200, description: 'for example bytes=0-1023' })),
      'if-range': Type.Optional(
        Type.String({ maxLength: 200, description: 'an etag; of another artifact, all of it is given' }),
      ),
    }),
    status: 200,
    reply: 'stream',
    streams: 'application/octet-stream',
    errors: [
      'JOB_NOT_FOUND',
      'JOB_ID_AMBIGUOUS',
      'ATTEMPT_NOT_FOUND',
      'ARTIFACT_NOT_FOUND',
      'RANGE_NOT_SATISFIABLE',
      'STORE_UNAVAILABLE',
    ],
  },
  tellProgress: {
    method: 'POST',
    path: '/v1/attempts/{id}/{attempt}/progress',
    summary: 'How far a running attempt is.',
    params: attemptParams,
    body: TellProgress,
    status: 200,
    reply: strict({}),
    errors: ['VALIDATION_FAILED', 'FENCED', 'STORE_UNAVAILABLE'],
  },
  putResult: {
    method: 'PUT',
    path: '/v1/attempts/{id}/{attempt}/result',
    summary: 'The result of an attempt, before its end is told: JSON in UTF-8.',
    params: attemptParams,
    query: strict(StartAttempt.properties),
    body: 'bytes',
    status: 200,
    reply: strict({}),
    errors: ['VALIDATION_FAILED', 'RESULT_INVALID', 'FENCED', 'BODY_TOO_LARGE', 'STORE_UNAVAILABLE'],
  },
  putArtifact: {
    method: 'PUT',
    path: '/v1/attempts/{id}/{attempt}/artifacts',
    summary: 'A part of an artifact at an offset; sending the same again changes nothing.',
    params: attemptParams,
    query: ArtifactPart,
    body: 'bytes',
    status: 200,
    reply: strict({ endOffset: wholeNumber(0) }),
    errors: [
      'VALIDATION_FAILED',
      'FENCED',
      'ARTIFACT_OFFSET_MISMATCH',
      'ARTIFACT_REFUSED',
      'BODY_TOO_LARGE',
      'DISK_FULL',
      'OVERLOADED',
      'STORE_UNAVAILABLE',
    ],
  },
} as const satisfies Record<string, Route>;
