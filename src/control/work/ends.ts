/**
 * The ends of attempts that one work call reports: decides them, writes them, tells which are not this
 * worker's.
 */
import type { AttemptDone, AttemptRef, Worker } from '../../contract/worker.ts';
import { BlixardError } from '../../domain/errors.ts';
import {
  type AttemptEnd,
  type ByReason,
  decideEnd,
  type EndedJob,
  isEnded,
  type JobState,
  jobMachine,
} from '../../domain/job.ts';
import { limits } from '../../domain/limits.ts';
import type { BackoffPolicy, ReasonRules, UsedByReason } from '../../domain/retry.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import type { Database, Result, Row, Statement } from '../../store/database.ts';
import {
  integer,
  integerOrNull,
  json,
  jsonOrNull,
  text,
  textOrNull,
} from '../../store/statements/columns.ts';
import { giveBackTokens } from '../../store/statements/rates.ts';
import {
  attemptsNamed,
  completeAttempts,
  endAttempts,
  giveBackAttempts,
  heldForEnd,
} from '../../store/statements/work.ts';
import { workersInState } from '../../store/statements/workers.ts';
import type { Holder } from '../fence.ts';
import { tellMoved } from '../moved.ts';
import { placementOf } from '../placement.ts';
import type { Signals } from '../signals.ts';
import { jobStateOf, workerOf } from '../views.ts';
import { completedSet, isOfSet, tellSet } from './completed.ts';

type Details = Pick<AttemptDone, 'exitCode' | 'signal' | 'message'>;
type End = AttemptEnd & Details;

export class EndReports {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #signals: Signals;
  readonly #holder: Holder;
  /** Reported and not written yet, by attempt. */
  readonly #open: Map<string, AttemptDone>;
  #rounds = 0;

  constructor(deps: {
    db: Database;
    clock: Clock;
    random: Random;
    signals: Signals;
    holder: Holder;
    done: readonly AttemptDone[];
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#signals = deps.signals;
    this.#holder = { workerId: deps.holder.workerId, generation: deps.holder.generation };
    this.#open = new Map();
    for (const done of deps.done) {
      const key = keyOf(done.jobId, done.attempt);
      // How an attempt ended is what was said of it first.
      if (!this.#open.has(key)) this.#open.set(key, done);
    }
  }

  /**
   * The statements that write what is open: exit 0 and given back at once, the others after a look at their
   * job.
   */
  async plan(): Promise<Statement[]> {
    const open = [...this.#open.values()];
    if (open.length === 0) return [];
    const { set, completed, givenBack, others } = sorted(open, this.#rounds++ === 0);
    const decided = others.length === 0 ? [] : await this.#decide(others);
    const nowMs = this.#clock.nowMs();
    const write = (statement: typeof completeAttempts, list: readonly unknown[]): Statement[] =>
      list.length === 0 ? [] : [statement.with({ ...this.#holder, attempts: JSON.stringify(list), nowMs })];
    return [
      ...completedSet(this.#holder, set, nowMs),
      ...write(completeAttempts, completed.map(completionOf)),
      ...write(giveBackTokens, givenBack.map(refOf)),
      ...write(giveBackAttempts, givenBack.map(refOf)),
      ...write(endAttempts, decided),
    ];
  }

  /** Takes the results of planned statements: what moved is done, and told. */
  settle(results: readonly Result[]): void {
    const rows = results.flatMap((result) => result.rows);
    const sets = rows.filter((row) => row['missed'] !== undefined);
    for (const row of sets)
      for (const [id, attempt] of tellSet(this.#signals, row)) this.#open.delete(keyOf(id, attempt));
    const single = rows.filter((row) => row['missed'] === undefined);
    for (const row of single) this.#open.delete(keyOf(text(row, 'id'), integer(row, 'attempt')));
    tellMoved(this.#signals, single);
  }

  /** Writes what changed while it was decided, and gives the reports that are not this worker's to make. */
  async finish(): Promise<AttemptRef[]> {
    const fenced: AttemptRef[] = [];
    while (this.#open.size > 0) {
      fenced.push(...(await this.#dropStrangers()));
      if (this.#open.size === 0) break;
      if (this.#rounds >= limits.endRounds)
        throw new BlixardError('OVERLOADED', { problem: 'reported attempts keep changing while they end' });
      this.settle(await this.#db.batch(await this.plan()));
    }
    return fenced;
  }

  /** Takes out the attempts this worker does not hold; those it did not end itself are told. */
  async #dropStrangers(): Promise<AttemptRef[]> {
    const attempts = JSON.stringify([...this.#open.values()].map(refOf));
    const rows = await this.#db.query(attemptsNamed.with({ attempts }), { level: 'linearizable' });
    const known = new Map(rows.map((row) => [keyOf(text(row, 'id'), integer(row, 'attempt')), row]));
    const fenced: AttemptRef[] = [];
    for (const [key, done] of this.#open) {
      const row = known.get(key);
      const ours = row !== undefined && this.#isOurs(row);
      if (ours && integer(row, 'held') === 1) continue;
      this.#open.delete(key);
      // Written before, and the answer was lost: perhaps that of the store, and then nobody was told.
      if (ours && textOrNull(row, 'reason') === done.reason) tellMoved(this.#signals, [row]);
      else fenced.push(refOf(done));
    }
    return fenced;
  }

  #isOurs(attempt: Row): boolean {
    const { workerId, generation } = this.#holder;
    return text(attempt, 'worker_id') === workerId && integer(attempt, 'worker_generation') === generation;
  }

  async #decide(others: readonly AttemptDone[]): Promise<unknown[]> {
    const attempts = JSON.stringify(others.map(refOf));
    const rows = await this.#db.query(heldForEnd.with({ ...this.#holder, attempts }), {
      level: 'linearizable',
    });
    const isAnyTooLarge = others.some(({ reason }) => reason === 'vm_too_large');
    const online = isAnyTooLarge ? await this.#online() : [];
    return rows.flatMap((row) => {
      const done = this.#open.get(keyOf(text(row, 'id'), integer(row, 'attempt')));
      return done === undefined ? [] : [this.#decision(row, done, online)];
    });
  }

  async #online(): Promise<Worker[]> {
    const statement = workersInState.with({ state: 'online', limit: limits.pageMax });
    return (await this.#db.query(statement, { level: 'linearizable' })).map(workerOf);
  }

  /** Another worker may have room for its VM. */
  #unplaced(row: Row, done: AttemptDone, online: readonly Worker[]): End {
    const wanted = {
      queue: text(row, 'queue'),
      executor: text(row, 'executor'),
      memoryMiB: memoryMiBOf(row),
      vcpus: integer(row, 'spec_vcpus'),
    };
    const refused = { attempt: done.attempt, refusedBy: this.#holder.workerId };
    const { triesLeft, message } = placementOf(wanted, refused, online);
    return { ...endOf(done), triesLeft, ...(triesLeft === 0 ? { message } : {}) };
  }

  /** One row of `endAttempts`. */
  #decision(row: Row, done: AttemptDone, online: readonly Worker[]) {
    const from = jobStateOf(row);
    const cancelRequested = row['cancel_requested_at_ms'] !== null;
    const job = {
      attemptsUsed: integer(row, 'attempts_used'),
      attemptsMax: integer(row, 'attempts_max'),
      infraFailures: integer(row, 'infra_failures'),
      cancelRequested,
      backoff: json<BackoffPolicy>(row, 'backoff'),
      ...byReasonOf(row),
    };
    const nowMs = this.#clock.nowMs();
    const chance = this.#random.unit();
    const { retryInMs } = done;
    const reported = done.reason === 'vm_too_large' ? this.#unplaced(row, done, online) : endOf(done);
    const wanted = decideEnd(job, { ...reported, retryInMs }, nowMs, chance);
    const possible =
      jobMachine.can(from, wanted.state) && (wanted.state !== 'completed' || isStarted(from, done));
    const end = possible ? reported : neverStarted;
    const decision = possible ? wanted : decideEnd(job, end, nowMs, chance);
    const endedAtMs = isEnded(decision.state) ? nowMs : null;
    const { byReason, ...counts } = decision;
    return {
      ...refOf(done),
      from,
      cancelRequested: cancelRequested ? 1 : 0,
      ...counts,
      ...storedByReason(row, byReason),
      ...end,
      endedAtMs,
      startedAtMs: done.startedAtMs ?? null,
      vm: done.vm,
      usage: done.usage,
    };
  }
}

/** Exit 0 of an attempt that was claimed and not started is nothing a sound worker says. */
const neverStarted: End = {
  reason: 'internal',
  exitCode: null,
  signal: null,
  message: 'The worker told the end of an attempt it had not started.',
};

/** Nothing for a job without rules for single reasons. */
function byReasonOf(row: Row): Pick<EndedJob, 'byReason'> {
  const rules = jsonOrNull<ReasonRules>(row, 'retry');
  if (rules === null) return {};
  return {
    byReason: {
      rules,
      memoryMiB: memoryMiBOf(row),
      used: jsonOrNull<UsedByReason>(row, 'used_by_reason') ?? {},
    },
  };
}

/** Of the attempt that has ended. */
function memoryMiBOf(row: Row): number {
  return integerOrNull(row, 'memory_mib') ?? integer(row, 'spec_memory_mib');
}

/** Memory is stored where it is other than in the spec. */
function storedByReason(row: Row, after: ByReason | undefined) {
  if (after === undefined) return { memoryMiB: null, usedByReason: null };
  const isRaised = after.memoryMiB !== integer(row, 'spec_memory_mib');
  return { memoryMiB: isRaised ? after.memoryMiB : null, usedByReason: JSON.stringify(after.used) };
}

/** A start whose answer was lost, given back as unstarted, is an attempt the worker lost. */
function endOf(done: AttemptDone): End {
  const { reason, exitCode, signal } = done;
  if (reason !== null) return { reason, exitCode, signal, message: storable(done.message) };
  return {
    reason: 'worker_lost',
    exitCode: null,
    signal: null,
    message: 'It was given back after its start.',
  };
}

/** How each is written; what the first round has left must be decided. */
function sorted(open: readonly AttemptDone[], isFirstRound: boolean) {
  const lists = {
    set: [] as AttemptDone[],
    completed: [] as AttemptDone[],
    givenBack: [] as AttemptDone[],
    others: [] as AttemptDone[],
  };
  for (const done of open) {
    if (!isFirstRound) lists.others.push(done);
    else if (done.reason === null) lists.givenBack.push(done);
    else if (done.reason !== 'exit' || done.exitCode !== 0) lists.others.push(done);
    else if (isOfSet(done, lists.set[0] ?? done)) lists.set.push(done);
    else lists.completed.push(done);
  }
  return lists;
}

/** One row of `completeAttempts`. */
function completionOf({ jobId, attempt, startedAtMs, message, vm, usage }: AttemptDone) {
  return [jobId, attempt, startedAtMs ?? null, storable(message), vm, usage];
}

/** Its start was told, before or with this report. */
function isStarted(from: JobState, { startedAtMs }: AttemptDone): boolean {
  return from === 'running' || startedAtMs !== undefined;
}

function refOf({ jobId, attempt }: AttemptRef): AttemptRef {
  return { jobId, attempt };
}

function keyOf(jobId: string, attempt: number): string {
  return `${jobId}:${attempt}`;
}

/** No store gives back a NUL or half a surrogate pair; a message may quote the output of any command. */
function storable(message: string | null): string | null {
  return message === null ? null : message.replace(/\0|\p{Surrogate}/gu, '\ufffd');
}
