/** A job right after it was stored, as it is told: that need not be read back, nor its spec be made into text again. */
import type { Job } from '../../contract/job.ts';
import type { Row } from '../../store/database.ts';
import { jsonTextOf, KnownText } from '../json-text.ts';
import { jobOf } from '../views.ts';
import type { Draft } from './draft.ts';

class NewlyStored extends KnownText implements Job {
  readonly id: string;
  readonly state: Job['state'];
  readonly spec: Job['spec'];
  readonly attempt = 0;
  readonly attemptsUsed = 0;
  readonly attemptsUsedByReason = {};
  readonly infraFailures = 0;
  readonly memoryMiB: number;
  readonly reason = null;
  readonly exitCode = null;
  readonly signal = null;
  readonly message = null;
  readonly workerId = null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly runAtMs: number;
  readonly expiresAtMs: number | null;
  readonly startedAtMs = null;
  readonly endedAtMs = null;
  readonly cancelRequestedAtMs = null;
  readonly cancelReason = null;
  readonly cancelledBy = null;
  readonly progress = null;
  readonly waiting = null;
  readonly #specText: string;

  constructor({ job, spec, specText }: Draft) {
    super();
    this.id = job.id;
    this.state = job.state;
    this.spec = spec;
    this.memoryMiB = spec.memoryMiB;
    this.createdAtMs = job.nowMs;
    this.updatedAtMs = job.nowMs;
    this.runAtMs = job.runAtMs;
    this.expiresAtMs = job.expiresAtMs;
    this.#specText = specText;
  }

  /** Ids, states and numbers stand in JSON as they are. */
  override jsonText(): string {
    const { id, state, memoryMiB, createdAtMs, updatedAtMs, runAtMs, expiresAtMs } = this;
    const times = `"createdAtMs":${createdAtMs},"updatedAtMs":${updatedAtMs},"runAtMs":${runAtMs}`;
    const own = `"id":"${id}","state":"${state}","memoryMiB":${memoryMiB},${times},"expiresAtMs":${expiresAtMs}`;
    unchanged ??= JSON.stringify(this, unchangedNames).slice(1, -1);
    return `{${own},${unchanged},"spec":${this.#specText}}`;
  }
}

/** What every new job has alike, and its text. */
const unchangedNames = [
  ...['attempt', 'attemptsUsed', 'attemptsUsedByReason', 'infraFailures'],
  ...['reason', 'exitCode', 'signal', 'message', 'workerId', 'startedAtMs', 'endedAtMs'],
  ...['cancelRequestedAtMs', 'cancelReason', 'cancelledBy', 'progress', 'waiting'],
];
let unchanged: string | undefined;

/** Only a job that was moved in the same write has a row, with `jobColumns`. */
export function submittedJob(draft: Draft, moved: Row | undefined): Job {
  return moved === undefined ? new NewlyStored(draft) : jobOf(moved, draft.spec);
}

/** New jobs, as they are told together. */
export class ToldJobs extends KnownText {
  readonly jobs: Job[];

  constructor(jobs: Job[]) {
    super();
    this.jobs = jobs;
  }

  override jsonText(): string {
    return `{"jobs":[${this.jobs.map(jsonTextOf).join(',')}]}`;
  }
}
