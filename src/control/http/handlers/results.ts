/** Handlers of what jobs tell: progress, result, artifacts. */
import { Readable } from 'node:stream';
import type { Job } from '../../../contract/job.ts';
import { artifactHeaders } from '../../../contract/result.ts';
import { isArtifactName } from '../../../domain/artifact-name.ts';
import { BlixardError } from '../../../domain/errors.ts';
import { limits } from '../../../domain/limits.ts';
import { byteRangeOf, mayGiveRange } from '../../results/byte-range.ts';
import { badValue } from '../validation.ts';
import type { AppDeps, Call, Handlers, StreamReply } from './handler.ts';

type ResultRoutes =
  | 'getResult'
  | 'listArtifacts'
  | 'readArtifact'
  | 'tellProgress'
  | 'putResult'
  | 'putArtifact';

/** What its worker tells of an attempt is FENCED unless it holds it. */
export function resultHandlers({
  queries,
  workers,
  results,
  artifacts,
}: Pick<AppDeps, 'queries' | 'workers' | 'results' | 'artifacts'>): Pick<Handlers, ResultRoutes> {
  const readArtifact = async ({ params, query, headers }: Call<'readArtifact'>): Promise<StreamReply> => {
    const job = await queries.get(params.id);
    const attempt = attemptOf(job, query.attempt);
    const { name, size, sha256 } = await results.find(job, attempt, params.name);
    const etag = `"${sha256}"`;
    const range = mayGiveRange(headers['if-range'], etag) ? byteRangeOf(headers.range, size) : undefined;
    const { start, end } = range ?? { start: 0, end: size };
    return {
      status: range === undefined ? 200 : 206,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - start),
        'content-disposition': `attachment; filename*=UTF-8''${fileNameOf(name)}`,
        'accept-ranges': 'bytes',
        etag,
        [artifactHeaders.attempt]: String(attempt),
        ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
      },
      body: start === end ? Readable.from([]) : artifacts.read({ jobId: job.id, attempt, name }, start, end),
    };
  };

  return {
    getResult: async ({ params }) => {
      const result = await results.resultText(await queries.get(params.id));
      return { headers: { 'content-type': 'application/json; charset=utf-8' }, body: result };
    },
    listArtifacts: async ({ params, query }) => {
      const job = await queries.get(params.id);
      return results.list(job, attemptOf(job, query.attempt));
    },
    readArtifact,
    tellProgress: async ({ params, body }) => {
      await results.progress(params.id, params.attempt, body);
      return {};
    },
    putResult: async ({ params, query, body }) => {
      await results.result(params.id, params.attempt, query, body);
      return {};
    },
    putArtifact: async ({ params, query, body }) => {
      if (!isArtifactName(query.name)) {
        throw badValue('name', query.name, `a name of at most ${limits.artifactNameBytes} bytes in UTF-8`);
      }
      await workers.assertHolds(params.id, params.attempt, query);
      return { endOffset: await results.artifact(params.id, params.attempt, query, body) };
    },
  };
}

/** Throws ATTEMPT_NOT_FOUND. */
function attemptOf(job: Job, asked: number | undefined): number {
  if (asked !== undefined && asked > job.attempt) {
    throw new BlixardError('ATTEMPT_NOT_FOUND', { jobId: job.id, attempt: asked });
  }
  return asked ?? job.attempt;
}

/** The last part of a name, as RFC 8187 has it. */
function fileNameOf(name: string): string {
  const last = name.slice(name.lastIndexOf('/') + 1);
  return encodeURIComponent(last).replaceAll(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
}
