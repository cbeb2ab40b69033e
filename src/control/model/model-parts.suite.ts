/** What the model holds of jobs, queues and workers. */
import type { QueueSettings } from '../../contract/queue.ts';
import type { AfterFailed } from '../../contract/together.ts';
import { defaults } from '../../domain/defaults.ts';
import type { EndReason, JobState } from '../../domain/job.ts';
import type { ReasonRules, UsedByReason } from '../../domain/retry.ts';
import type { ModelTold } from './told.suite.ts';

export interface ModelWorker {
  generation: number;
  state: 'online' | 'draining' | 'offline';
  leaseUntilMs: number;
}

/** The settings of a queue, and its pause. */
export type ModelQueue = QueueSettings & { paused: boolean };

/** Of a queue that nobody has set. */
export function unsetQueue(): ModelQueue {
  const { retainCompletedMs, retainFailedMs, retainCancelledMs } = defaults;
  return {
    ...{ paused: false, concurrencyMax: null, concurrencyMaxPerKey: null, keyPolicy: 'wait' },
    ...{ fairBy: 'none', weights: {}, rateLimit: null, rateLimitPerKey: null },
    retention: {
      completedMs: retainCompletedMs,
      failedMs: retainFailedMs,
      cancelledMs: retainCancelledMs,
    },
  };
}

/** What a job is submitted with. */
export interface NewModelJob {
  readonly id: string;
  readonly queue: string;
  readonly attemptsMax: number;
  readonly priority: number;
  readonly runAtMs: number;
  readonly expireInMs: number | undefined;
  readonly key: string | undefined;
  readonly uniqueKey: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly tenant: string;
  readonly retry: ReasonRules | undefined;
  readonly group: string | undefined;
  readonly after: readonly ModelJob[];
  /** Of those it runs after, the ones whose results and artifacts it reads. */
  readonly inputs: readonly ModelJob[];
  readonly afterFailed: AfterFailed;
}

/** What a submit leaves out. */
export const noOptions = {
  ...{ expireInMs: undefined, key: undefined, uniqueKey: undefined, idempotencyKey: undefined },
  ...{
    tenant: defaults.tenant,
    retry: undefined,
    group: undefined,
    after: [],
    inputs: [],
    afterFailed: 'fail' as AfterFailed,
  },
} as const;

/** Why a job is cancelled, and by whom. */
export interface CancelWhy {
  readonly reason: string | null;
  readonly by: string | null;
}

export const notCancelled: CancelWhy = { reason: null, by: null };

export interface ModelJob extends Omit<NewModelJob, 'runAtMs' | 'after'> {
  /** How each job it runs after ended, as far as it has heard. */
  readonly parents: Map<ModelJob, JobState | undefined>;
  readonly order: number;
  runAtMs: number;
  expiresAtMs: number | null;
  state: JobState;
  attempt: number;
  attemptsUsed: number;
  infraFailures: number;
  usedByReason: UsedByReason;
  memoryMiB: number;
  cancelRequested: boolean;
  cancelWhy: CancelWhy;
  readonly told: ModelTold;
  /** Its key has no room. */
  waits: boolean;
  reason: EndReason | null;
  endedAtMs: number | null;
  claimedAtMs: number | null;
  /** Index of the worker, and its generation at the claim. */
  holder: { worker: number; generation: number } | undefined;
}
