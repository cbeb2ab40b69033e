/** What jobs tell: takes it from who holds the attempt, and gives it to who asks. */
import type { Job } from '../../contract/job.ts';
import type { Artifact, ArtifactList, ArtifactPart, TellProgress } from '../../contract/result.ts';
import { BlixardError, problemOf } from '../../domain/errors.ts';
import { isEnded, isHeld } from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database, Row } from '../../store/database.ts';
import { integer, text } from '../../store/statements/columns.ts';
import {
  artifactNamed,
  artifactsOf,
  putArtifact,
  putProgress,
  putResult,
  resultOf,
} from '../../store/statements/results.ts';
import type { Holder } from '../fence.ts';
import type { WorkerCommands } from '../worker-commands.ts';
import type { ArtifactFiles, ArtifactKey } from './artifact-files.ts';

export interface ResultsDeps {
  readonly db: Database;
  readonly clock: Clock;
  /** Refuses, and counts, what is said by no holder. */
  readonly workers: Pick<WorkerCommands, 'assertHolds'>;
  readonly files: Pick<ArtifactFiles, 'append' | 'seal' | 'done' | 'discard'>;
}

/** Each may also reject with STORE_UNAVAILABLE; what an attempt tells, with FENCED. */
export class Results {
  readonly #deps: ResultsDeps;

  constructor(deps: ResultsDeps) {
    this.#deps = deps;
  }

  /** How far the attempt is, from now on. */
  async progress(id: string, attempt: number, told: TellProgress): Promise<void> {
    const { db, clock } = this.#deps;
    const { workerId, generation, percent, message } = told;
    const nowMs = clock.nowMs();
    const [result] = await db.batch([
      putProgress.with({ id, attempt, workerId, generation, percent, message, nowMs }),
    ]);
    await this.#assertHeld(result?.rows, told, id, attempt);
  }

  /** Takes the result of an attempt; the same again changes nothing. Throws RESULT_INVALID. */
  async result(id: string, attempt: number, holder: Holder, bytes: Uint8Array): Promise<void> {
    const { db, clock } = this.#deps;
    const { workerId, generation } = holder;
    const result = jsonTextOf(bytes);
    const nowMs = clock.nowMs();
    const [written] = await db.batch([putResult.with({ id, attempt, workerId, generation, result, nowMs })]);
    await this.#assertHeld(written?.rows, holder, id, attempt);
  }

  /**
   * Takes a part of an artifact and gives where it ends then; the attempt is held, the caller has made sure.
   * Throws ARTIFACT_OFFSET_MISMATCH, ARTIFACT_REFUSED, DISK_FULL.
   */
  async artifact(id: string, attempt: number, part: ArtifactPart, bytes: Uint8Array): Promise<number> {
    const { files } = this.#deps;
    const key: ArtifactKey = { jobId: id, attempt, name: part.name };
    const kept = await this.#artifact(id, attempt, part.name);
    if (kept !== undefined) return this.#sameAgain(kept, part, bytes);
    const endOffset = await files.append(key, part.offset, bytes);
    if (part.sha256 === undefined) return endOffset;
    const { size, sha256 } = await files.seal(key);
    if (sha256 === part.sha256) await this.#keep(key, part, { size, sha256 });
    else await this.#refuse(key, 'its bytes are not those its worker sent');
    await files.done(key);
    return size;
  }

  /** The text of the result of the newest attempt. Throws RESULT_NOT_FOUND. */
  async resultText({ id, attempt, state, message }: Job): Promise<string> {
    const none = (problem: string): BlixardError =>
      new BlixardError('RESULT_NOT_FOUND', { jobId: id, problem });
    if (!hasEnded({ attempt, state }, attempt)) throw none(`it is ${state}.`);
    const [row] = await this.#deps.db.query(resultOf.with({ id, attempt }));
    if (row === undefined) throw none(`it ended without one${droppedIn(message)}.`);
    return text(row, 'result');
  }

  /** The artifacts of an attempt; none before it has ended. That of a job that ended without one has ended, too. */
  async list(job: Job, attempt: number): Promise<ArtifactList> {
    const ended = isEnded(job.state) || hasEnded(job, attempt);
    const statement = artifactsOf.with({ id: job.id, attempt, limit: limits.artifactsMax });
    const rows = ended ? await this.#deps.db.query(statement) : [];
    return { jobId: job.id, attempt, ended, artifacts: rows.map(artifactOf) };
  }

  /** One artifact of an attempt that has ended. Throws ARTIFACT_NOT_FOUND. */
  async find(job: Job, attempt: number, name: string): Promise<Artifact> {
    const found = hasEnded(job, attempt) ? await this.#artifact(job.id, attempt, name) : undefined;
    if (found === undefined) throw new BlixardError('ARTIFACT_NOT_FOUND', { jobId: job.id, attempt, name });
    return found;
  }

  async #artifact(id: string, attempt: number, name: string): Promise<Artifact | undefined> {
    const statement = artifactNamed.with({ id, attempt, name });
    const [row] = await this.#deps.db.query(statement, { level: 'linearizable' });
    return row === undefined ? undefined : artifactOf(row);
  }

  /** The answer to its last part was lost, or another file has the name. */
  #sameAgain(kept: Artifact, part: ArtifactPart, bytes: Uint8Array): number {
    const end = part.offset + bytes.length;
    if (end <= kept.size && (part.sha256 ?? kept.sha256) === kept.sha256) return end;
    throw new BlixardError('ARTIFACT_REFUSED', { name: part.name, problem: 'another one has that name' });
  }

  async #keep(key: ArtifactKey, holder: Holder, facts: { size: number; sha256: string }): Promise<void> {
    const { db, clock } = this.#deps;
    const { jobId: id, attempt, name } = key;
    const { workerId, generation } = holder;
    const nowMs = clock.nowMs();
    const [result] = await db.batch([
      putArtifact.with({
        id,
        attempt,
        workerId,
        generation,
        name,
        size: facts.size,
        hash: facts.sha256,
        nowMs,
      }),
    ]);
    if (result?.rows.length === 1) return;
    // The same part sent twice may have been faster.
    if ((await this.#artifact(id, attempt, name))?.sha256 === facts.sha256) return;
    await this.#assertHeld(undefined, holder, id, attempt);
    await this.#refuse(
      key,
      `an attempt may keep ${limits.artifactsMax} files of ${limits.artifactsBytes} bytes together`,
    );
  }

  async #refuse({ name, ...key }: ArtifactKey, problem: string): Promise<never> {
    await this.#deps.files.discard({ name, ...key });
    throw new BlixardError('ARTIFACT_REFUSED', { name, problem });
  }

  async #assertHeld(
    rows: readonly Row[] | undefined,
    { workerId, generation }: Holder,
    jobId: string,
    attempt: number,
  ): Promise<void> {
    if (rows?.length !== 1) await this.#deps.workers.assertHolds(jobId, attempt, { workerId, generation });
  }
}

function artifactOf(row: Row): Artifact {
  return { name: text(row, 'name'), size: integer(row, 'size'), sha256: text(row, 'sha256') };
}

/** An older attempt has ended, and the newest one when nobody holds the job. */
function hasEnded(job: Pick<Job, 'attempt' | 'state'>, attempt: number): boolean {
  return attempt > 0 && (attempt < job.attempt || !isHeld(job.state));
}

/** Throws RESULT_INVALID. */
function jsonTextOf(bytes: Uint8Array): string {
  if (bytes.length > limits.resultBytes)
    throw new BlixardError('BODY_TOO_LARGE', { maxBytes: limits.resultBytes });
  try {
    const result = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    JSON.parse(result);
    return result;
  } catch (error) {
    throw new BlixardError('RESULT_INVALID', { problem: problemOf(error).slice(0, 100) }, { cause: error });
  }
}

/** Why the result was dropped, as the message of the attempt tells it; nothing when none was. */
function droppedIn(message: string | null): string {
  const told = /(?:^|; )(result dropped: .*?)\.?(?:; |$)/s.exec(message ?? '')?.[1];
  return told === undefined ? '' : `; ${told}`;
}
