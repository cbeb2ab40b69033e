/** Finds what an attempt has as inputs: the results and artifacts of the jobs its spec names. */
import { createHash } from 'node:crypto';
import type { BlixardClient } from '../client/client.ts';
import type { Artifact } from '../contract/result.ts';
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import { isEnded } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import type { InputFile } from '../executor/executor.ts';

/** Tells the server's errors from its silence, as `untilAnswered` does. */
export type Ask = <T>(what: string, call: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** Throws INPUT_UNAVAILABLE for a job that is not there, has not ended, or has left too much. */
export async function gatherInputs(
  deps: { readonly client: BlixardClient; readonly ask: Ask },
  jobIds: readonly string[],
): Promise<InputFile[]> {
  const files: InputFile[] = [];
  let bytes = 0;
  for (const jobId of new Set(jobIds)) {
    for (const { size, file } of await outputOf(deps, jobId)) {
      bytes += size;
      if (bytes > limits.inputsBytes)
        throw unavailable(jobId, `inputs are larger than ${limits.inputsBytes} bytes`);
      files.push(file);
    }
  }
  return files;
}

interface Sized {
  readonly size: number;
  readonly file: InputFile;
}

async function outputOf(
  deps: { readonly client: BlixardClient; readonly ask: Ask },
  jobId: string,
): Promise<Sized[]> {
  const { client, ask } = deps;
  try {
    const job = await ask('getJob', (signal) => client.call('getJob', { params: { id: jobId }, signal }));
    if (!isEnded(job.state)) throw unavailable(jobId, `it has not ended, it is ${job.state}`);
    const { artifacts, attempt } = await ask('listArtifacts', (signal) =>
      client.call('listArtifacts', { params: { id: jobId }, signal }),
    );
    const result = await resultOf(deps, jobId);
    return [...result, ...artifacts.map((artifact) => artifactOf(client, jobId, attempt, artifact))];
  } catch (error) {
    if (isBlixardError(error, 'JOB_NOT_FOUND')) throw unavailable(jobId, 'there is no such job');
    throw error;
  }
}

async function resultOf(
  { client, ask }: { readonly client: BlixardClient; readonly ask: Ask },
  jobId: string,
): Promise<Sized[]> {
  try {
    const bytes = Buffer.from(await ask('getResult', (signal) => client.readResult(jobId, { signal })));
    const name = `${jobId}/result.json`;
    return [
      {
        size: bytes.length,
        file: {
          name,
          read: async function* () {
            yield bytes;
          },
        },
      },
    ];
  } catch (error) {
    if (isBlixardError(error, 'RESULT_NOT_FOUND')) return [];
    throw error;
  }
}

function artifactOf(
  client: BlixardClient,
  jobId: string,
  attempt: number,
  { name, size, sha256 }: Artifact,
): Sized {
  const read = async function* (signal: AbortSignal): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    for await (const piece of client.downloadArtifact(jobId, name, { attempt, signal })) {
      hash.update(piece);
      yield piece;
    }
    if (hash.digest('hex') !== sha256) throw unavailable(jobId, `the artifact ${name} is not what was kept`);
  };
  return { size, file: { name: `${jobId}/artifacts/${name}`, read } };
}

function unavailable(jobId: string, problem: string): BlixardError {
  return new BlixardError('INPUT_UNAVAILABLE', { jobId, problem });
}
