/** What workers say: register, work, heartbeat, start an attempt, drain, leave. */
import { isDeepStrictEqual } from 'node:util';
import type {
  HeartbeatReply,
  Registered,
  RegisterWorker,
  TellImages,
  Worker,
  WorkReply,
  WorkRequest,
} from '../contract/worker.ts';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { leaseUntilMs } from '../domain/lease.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { LazySignal } from '../platform/lazy-signal.ts';
import type { Log } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import type { Database, Result, Row } from '../store/database.ts';
import { integer, text } from '../store/statements/columns.ts';
import { heldAttempt, startAttempt } from '../store/statements/jobs.ts';
import { forgetImagesOf, insertImagesOf } from '../store/statements/worker-images.ts';
import {
  deleteImages,
  drainWorker,
  forgetLongGone,
  forgetLongGoneImages,
  insertImages,
  putBack,
  registerWorker,
  removeWorker,
  workerById,
} from '../store/statements/workers.ts';
import { Fence, type Holder } from './fence.ts';
import { fullImageName } from './image-name.ts';
import { tellMoved } from './moved.ts';
import type { Signals } from './signals.ts';
import { workerOf } from './views.ts';
import { WorkDesk } from './work/work-desk.ts';

/** The commands of workers. Each may also reject with STORE_UNAVAILABLE. */
export class WorkerCommands {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #signals: Signals;
  readonly #leaseMs: number;
  readonly #heartbeatMs: number;
  readonly #fence: Fence;
  readonly #desk: WorkDesk;

  constructor(deps: {
    db: Database;
    clock: Clock;
    random: Random;
    log: Log;
    signals: Signals;
    leaseMs?: number;
    heartbeatMs?: number;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#signals = deps.signals;
    this.#leaseMs = deps.leaseMs ?? defaults.leaseMs;
    this.#heartbeatMs = deps.heartbeatMs ?? defaults.heartbeatMs;
    this.#fence = new Fence(deps);
    this.#desk = new WorkDesk({ ...deps, leaseMs: this.#leaseMs, fence: this.#fence });
  }

  /** Stale writes of older holders that were refused since this process started. */
  get staleWrites(): number {
    return this.#fence.refused;
  }

  /**
   * A worker joins, or comes back as a new generation; what the older one held is put back in the same
   * commit. The same `registration` again changes nothing, unless its lease has run out meanwhile. Each registration
   * forgets workers that have been offline for long: a program that starts anew may be another worker each time.
   */
  async register(body: RegisterWorker): Promise<Registered> {
    const nowMs = this.#clock.nowMs();
    const { id, name, version, pid, slots } = body;
    const longGone = { beforeMs: nowMs - defaults.retainWorkersMs, limit: limits.offlineWorkersPerLook };
    const results = await this.#db.batch([
      registerWorker.with({
        id,
        name,
        version,
        pid,
        slots,
        queues: JSON.stringify(unique(body.queues)),
        executors: JSON.stringify(unique(body.executors)),
        registration: body.registration ?? null,
        nowMs,
        leaseUntilMs: leaseUntilMs(nowMs, this.#leaseMs),
      }),
      deleteImages.with({ workerId: id }),
      insertImages.with({ workerId: id, images: imageRows(body.images) }),
      putBack.with({ workerId: id, nowMs }),
      forgetLongGoneImages.with(longGone),
      forgetLongGone.with(longGone),
    ]);
    const registered = oneRow(results[0]);
    const untilMs = integer(registered, 'lease_until_ms');
    const requeued = this.#tellPutBack(results[3]);
    this.#signals.lease(id, untilMs);
    this.#signals.cancel(id);
    return {
      generation: integer(registered, 'generation'),
      leaseUntilMs: untilMs,
      heartbeatMs: this.#heartbeatMs,
      requeued,
    };
  }

  /**
   * Reports ends, claims and renews the lease in one commit; waits up to `waitMs` for jobs, or until `gone`
   * aborts. Throws WORKER_NOT_FOUND, or FENCED for an older generation and for a worker that is offline.
   */
  work(workerId: string, body: WorkRequest, gone: LazySignal): Promise<WorkReply> {
    return this.#desk.work(workerId, body, gone);
  }

  /** The images of this worker are these from now on. Throws WORKER_NOT_FOUND, FENCED. */
  async tellImages(workerId: string, { generation, images }: TellImages): Promise<Record<never, never>> {
    const holder = { workerId, generation };
    await this.#db.batch([
      forgetImagesOf.with(holder),
      insertImagesOf.with({ ...holder, images: imageRows(images) }),
    ]);
    await this.#told(workerId, generation);
    return {};
  }

  /** Renews the lease. Throws like `work`. */
  async heartbeat(workerId: string, generation: number): Promise<HeartbeatReply> {
    const { state, leaseUntilMs: untilMs, cancel } = await this.#desk.renew({ workerId, generation });
    return { state, leaseUntilMs: untilMs, cancel: [...cancel] };
  }

  /**
   * The worker gets no more jobs; those it runs go on. An offline one stays as it is. With a generation only
   * that one is drained. Throws WORKER_NOT_FOUND, FENCED.
   */
  async drain(workerId: string, generation?: number): Promise<Worker> {
    const nowMs = this.#clock.nowMs();
    await this.#db.batch([drainWorker.with({ id: workerId, generation: generation ?? null, nowMs })]);
    this.#signals.cancel(workerId);
    return this.#told(workerId, generation);
  }

  /**
   * The worker leaves and what it held is put back. With a generation only that one may leave. Throws
   * WORKER_NOT_FOUND, FENCED.
   */
  async remove(workerId: string, generation?: number): Promise<Worker> {
    const nowMs = this.#clock.nowMs();
    const [left, back] = await this.#db.batch([
      removeWorker.with({ id: workerId, generation: generation ?? null, nowMs }),
      putBack.with({ workerId, nowMs }),
    ]);
    this.#tellPutBack(back);
    if (left?.rows.length === 1) {
      this.#signals.lease(workerId, null);
      this.#signals.cancel(workerId);
    }
    return this.#told(workerId, generation);
  }

  /**
   * A claimed attempt begins to run; the same again gives the same. Throws FENCED unless this holder has
   * it.
   */
  async startAttempt(jobId: string, attempt: number, holder: Holder): Promise<{ startedAtMs: number }> {
    const { workerId, generation } = holder;
    const nowMs = this.#clock.nowMs();
    const [result] = await this.#db.batch([
      startAttempt.with({ id: jobId, attempt, workerId, generation, nowMs }),
    ]);
    if (result?.rows.length === 1) {
      this.#signals.changed(jobId);
      return { startedAtMs: nowMs };
    }
    return { startedAtMs: integer(await this.#held(jobId, attempt, holder), 'started_at_ms') };
  }

  /** Throws FENCED unless this generation of this worker holds this attempt now. */
  async assertHolds(jobId: string, attempt: number, holder: Holder): Promise<void> {
    await this.#held(jobId, attempt, holder);
  }

  async #held(jobId: string, attempt: number, holder: Holder): Promise<Row> {
    const { workerId, generation } = holder;
    const statement = heldAttempt.with({ id: jobId, attempt, workerId, generation });
    const [row] = await this.#db.query(statement, { level: 'linearizable' });
    if (row !== undefined) return row;
    throw this.#fence.refuse(
      holder,
      `attempt ${attempt} of job ${jobId} is not held by generation ${generation} of worker ${workerId}`,
    );
  }

  /** Tells what was put back; gives the jobs that will run again. */
  #tellPutBack(result: Result | undefined): string[] {
    const rows = result?.rows ?? [];
    tellMoved(this.#signals, rows);
    return rows.filter((row) => row['state'] === 'pending').map((row) => text(row, 'id'));
  }

  /** The worker after a step; FENCED when the step was that of a generation it does not have. */
  async #told(workerId: string, generation: number | undefined): Promise<Worker> {
    const [row] = await this.#db.query(workerById.with({ id: workerId }), { level: 'linearizable' });
    if (row === undefined) throw new BlixardError('WORKER_NOT_FOUND', { workerId });
    const worker = workerOf(row);
    if (generation === undefined || worker.generation === generation) return worker;
    const problem = `worker ${workerId} has generation ${worker.generation}, not ${generation}`;
    throw this.#fence.refuse({ workerId, generation }, problem);
  }
}

function imageRows(images: RegisterWorker['images']): string {
  return JSON.stringify(images.map((image) => ({ ...image, image: fullImageName(image.name) })));
}

function oneRow(result: Result | undefined): Row {
  const row = result?.rows[0];
  if (row === undefined) throw new BlixardError('INTERNAL', { problem: 'a registration gave no row' });
  return row;
}

/** A pair of queue and executor named twice would be looked at twice by every claim. */
function unique<T>(values: readonly T[]): T[] {
  return values.filter(
    (value, index) => values.findIndex((other) => isDeepStrictEqual(other, value)) === index,
  );
}
