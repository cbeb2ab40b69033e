/**
 * The one call that does a worker's work: ends in, claims out, lease renewed, in one batch; waits for jobs.
 */
import type { AttemptRef, WorkReply, WorkRequest } from '../../contract/worker.ts';
import { BlixardError } from '../../domain/errors.ts';
import { leaseUntilMs } from '../../domain/lease.ts';
import type { Clock } from '../../platform/clock.ts';
import type { LazySignal } from '../../platform/lazy-signal.ts';
import type { Log } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import type { Database, Result, Row, Statement } from '../../store/database.ts';
import { claimsOfToken } from '../../store/statements/claimed.ts';
import { integer, integerOrNull, text } from '../../store/statements/columns.ts';
import { nextOpening } from '../../store/statements/rates.ts';
import { renewLease } from '../../store/statements/work.ts';
import { tellExecutors, workerById } from '../../store/statements/workers.ts';
import type { Fence, Holder } from '../fence.ts';
import type { Signals } from '../signals.ts';
import { batchWithClaim, type Claims, claimStatements, claimsOf, noClaims } from './claims.ts';
import { EndReports } from './ends.ts';
import { FruitlessClaims } from './fruitless-claims.ts';
import { type ClaimWay, fellShort, KnownWorkers } from './known-workers.ts';
import { OldClaims } from './old-claims.ts';
import { SameCalls } from './same-calls.ts';
import { toldWork } from './told-work.ts';
import { type Seat, WaitingRoom } from './waiting-room.ts';

/** What the lease renewal of a live worker tells. */
export interface Lease {
  readonly state: WorkReply['state'];
  readonly leaseUntilMs: number;
  readonly cancel: readonly AttemptRef[];
  /** Which claim finds all that the worker may have. */
  readonly way: ClaimWay;
}

/** One call while it is served. */
interface Call {
  readonly holder: Holder;
  readonly body: WorkRequest;
  readonly seat: Seat;
  /** Aborts when nobody reads the answer any more. */
  readonly gone: LazySignal;
  /** Claims that were cancelled before they started, while the call waited. */
  readonly dropped: AttemptRef[];
}

/** What one batch of a call brought. */
interface Turn {
  readonly lease: Lease;
  readonly claimed: Claims;
  /** Its claim was not the one it should have made, as it has learned. */
  readonly isPartial: boolean;
}

/** What a worker was told last, so that a cancel it knows of does not end its next wait. */
interface Told {
  readonly generation: number;
  readonly state: WorkReply['state'];
  readonly cancel: ReadonlySet<string>;
}

export interface WorkDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signals: Signals;
  readonly fence: Fence;
  readonly leaseMs: number;
}

export class WorkDesk {
  readonly #deps: WorkDeps;
  readonly #room = new WaitingRoom();
  readonly #same = new SameCalls();
  /** At most one entry per live worker. */
  readonly #told = new Map<string, Told>();
  readonly #known = new KnownWorkers();
  readonly #oldClaims: OldClaims;
  readonly #fruitless = new FruitlessClaims();

  constructor(deps: WorkDeps) {
    this.#deps = deps;
    this.#oldClaims = new OldClaims(deps);
    deps.signals.onReady((queue, executor, jobs) => {
      this.#fruitless.forget();
      this.#room.ready({ queue, executor }, jobs);
    });
    deps.signals.onMaybeReady(() => {
      this.#fruitless.forget();
      this.#room.callAll();
    });
    deps.signals.onLease((workerId, untilMs) => {
      if (untilMs !== null) return;
      this.#told.delete(workerId);
      this.#known.forget(workerId);
      this.#oldClaims.forget(workerId);
      this.#same.forget(workerId);
      this.#fruitless.left(workerId);
    });
  }

  /** Throws WORKER_NOT_FOUND, or FENCED for an older generation and for a worker that is offline. */
  work(workerId: string, body: WorkRequest, gone: LazySignal): Promise<WorkReply> {
    const answer = (): Promise<WorkReply> => this.#answer(workerId, body, gone);
    // A call that says it is repeated may come because the first answer was an error.
    return body.repeat ? answer() : this.#same.once(workerId, body.token, answer);
  }

  async #answer(workerId: string, body: WorkRequest, gone: LazySignal): Promise<WorkReply> {
    const holder = { workerId, generation: body.generation };
    const seat = this.#room.enter(workerId, body.want);
    const call: Call = { holder, body, seat, gone, dropped: [] };
    const release = this.#endInTime(call);
    try {
      return await this.#serve(call);
    } catch (error) {
      this.#reconsider(body);
      throw error;
    } finally {
      release();
      this.#room.leave(seat);
    }
  }

  /** Renews the lease and nothing else. Throws like `work`. */
  async renew(holder: Holder): Promise<Lease> {
    const [result] = await this.#deps.db.batch([this.#renewal(holder)]);
    const [row] = result?.rows ?? [];
    if (row === undefined) throw await this.#refusal(holder);
    return this.#leaseOf(holder, row);
  }

  async #serve(call: Call): Promise<WorkReply> {
    const ends = new EndReports({ ...this.#deps, holder: call.holder, done: call.body.done });
    const planned = await ends.plan();
    let turn = await this.#turn(call, planned, (results) => ends.settle(results));
    const fenced = await ends.finish();
    for (const attempt of fenced)
      this.#deps.fence.refuse(call.holder, `attempt ${attempt.attempt} of job ${attempt.jobId} is not held`);
    while (fenced.length === 0 && !this.#hasNews(call, turn)) {
      if (!turn.isPartial) await this.#room.rest(call.seat);
      if (call.seat.over && !turn.isPartial) break;
      turn = await this.#turn(call, []);
    }
    const rest = this.#reply(call, turn, fenced);
    const unstarted = this.#oldClaims.isDue(call.holder) ? await this.#oldClaims.of(call.holder) : [];
    return toldWork(turn.claimed, { ...rest, unstarted });
  }

  /** One batch: what was planned, the claim, and last the lease, so that its cancels are those still open. */
  async #turn(
    call: Call,
    planned: readonly Statement[],
    settle?: (results: readonly Result[]) => void,
  ): Promise<Turn> {
    const { want, done, repeat } = call.body;
    const nowMs = this.#deps.clock.monotonicMs();
    const offers = settle === undefined ? [] : this.#offers(call);
    const isRepoll = done.length === 0 && !repeat && offers.length === 0 && settle !== undefined;
    const way = this.#known.wayOf(call.holder.workerId);
    const shaped = way === 'shaped';
    // A shaped queue may have more to give by time alone, or by the next claim: it is always asked.
    const claims = want > 0 && !(isRepoll && !shaped && this.#fruitless.covers(call.holder, nowMs));
    const mark = this.#fruitless.mark(call.holder, nowMs);
    call.seat.claims();
    const { db, clock, signals } = this.#deps;
    const { results, asked } = await batchWithClaim(db, claims ? want : 0, (most) => [
      ...planned,
      ...offers,
      ...(claims ? claimStatements(call.holder, { ...call.body, want: most }, clock.nowMs(), way) : []),
      this.#renewal(call.holder),
    ]);
    const [row] = results.at(-1)?.rows ?? [];
    if (row === undefined) throw await this.#refusal(call.holder);
    const lease = this.#leaseOf(call.holder, row, call.seat);
    settle?.(results.slice(0, planned.length));
    const fresh = claims ? claimsOf(results.at(-2)) : noClaims;
    const isPartial = claims && fellShort(way, lease.way);
    if (claims && !isPartial && lease.way !== 'shaped' && fresh.ids.length < asked) mark();
    for (const jobId of fresh.ids) signals.changed(jobId);
    if (shaped && fresh.ids.length > 0) await this.#tellOpening();
    const claimed = repeat ? await this.#claimedBefore(call) : fresh;
    return { lease, claimed, isPartial };
  }

  /** Before the claim, which goes by what the worker can run. */
  #offers({ holder, body }: Call): Statement[] {
    if (body.executors === undefined) return [];
    const nowMs = this.#deps.clock.nowMs();
    return [tellExecutors.with({ ...holder, executors: JSON.stringify(body.executors), nowMs })];
  }

  /** A bucket may be empty now: the scheduler wakes who waits for it. */
  async #tellOpening(): Promise<void> {
    const [row] = await this.#deps.db.query(nextOpening.with({}), { level: 'linearizable' });
    const atMs = row === undefined ? null : integerOrNull(row, 'opens_at_ms');
    if (atMs !== null) this.#deps.signals.due(atMs);
  }

  #renewal(holder: Holder): Statement {
    const untilMs = leaseUntilMs(this.#deps.clock.nowMs(), this.#deps.leaseMs);
    return renewLease.with({ ...holder, leaseUntilMs: untilMs });
  }

  /** What this token holds, claimed by this call or by the one whose answer was lost. */
  async #claimedBefore({ holder, body }: Call): Promise<Claims> {
    const statement = claimsOfToken.with({ ...holder, token: body.token });
    return claimsOf({ rows: await this.#deps.db.query(statement, { level: 'linearizable' }) });
  }

  #leaseOf(holder: Holder, row: Row, seat?: Seat): Lease {
    const state = text(row, 'state') === 'draining' ? 'draining' : 'online';
    const { way, offers } = this.#known.told(holder.workerId, row, state);
    if (seat !== undefined) seat.offers = offers;
    const untilMs = integer(row, 'lease_until_ms');
    this.#deps.signals.lease(holder.workerId, untilMs);
    const cancels = text(row, 'cancels');
    const cancel = cancels === '[]' ? [] : (JSON.parse(cancels) as AttemptRef[]);
    return { state, leaseUntilMs: untilMs, cancel, way };
  }

  async #refusal(holder: Holder): Promise<BlixardError> {
    const { workerId, generation } = holder;
    const [row] = await this.#deps.db.query(workerById.with({ id: workerId }), { level: 'linearizable' });
    if (row === undefined) return new BlixardError('WORKER_NOT_FOUND', { workerId });
    const now = integer(row, 'generation');
    const problem =
      now === generation
        ? `worker ${workerId} is ${text(row, 'state')}; it must register again`
        : `worker ${workerId} has generation ${now}, not ${generation}`;
    return this.#deps.fence.refuse(holder, problem);
  }

  /** What a failed call reported may be on disk all the same: who waits for it looks again. */
  #reconsider({ done }: WorkRequest): void {
    const { signals, clock } = this.#deps;
    for (const { jobId } of done) signals.changed(jobId);
    if (done.length === 0) return;
    signals.due(clock.nowMs());
    signals.parentEnded();
  }

  #hasNews(call: Call, { claimed, lease }: Turn): boolean {
    if (claimed.ids.length > 0 || call.dropped.length > 0) return true;
    const told = this.#toldTo(call);
    if (lease.state !== (told?.state ?? 'online')) return true;
    return lease.cancel.some((attempt) => told?.cancel.has(keyOf(attempt)) !== true);
  }

  /** Nothing counts as told when the answer that told it may have been lost. */
  #toldTo({ holder, body }: Call): Told | undefined {
    const told = this.#told.get(holder.workerId);
    return told?.generation === holder.generation && !body.repeat ? told : undefined;
  }

  #reply(
    { holder, dropped, gone }: Call,
    { lease }: Turn,
    fenced: AttemptRef[],
  ): Omit<WorkReply, 'claimed' | 'unstarted'> {
    const cancel = [
      ...new Map([...lease.cancel, ...dropped].map((attempt) => [keyOf(attempt), attempt])).values(),
    ];
    if (!gone.isAborted)
      this.#told.set(holder.workerId, {
        generation: holder.generation,
        state: lease.state,
        cancel: new Set(cancel.map(keyOf)),
      });
    const { state, leaseUntilMs: untilMs } = lease;
    return { cancel, fenced, state, leaseUntilMs: untilMs };
  }

  /**
   * Ends the call's wait after `waitMs` and when nobody reads the answer; wakes it when there is news for
   * it.
   */
  #endInTime({ body, seat, gone, holder, dropped }: Call): () => void {
    const end = (): void => seat.end();
    const timer = this.#deps.clock.after(body.waitMs, end);
    if (gone.isAborted || body.waitMs === 0) end();
    const unhook = gone.onAbort(end);
    const unsubscribe = this.#deps.signals.onCancel(holder.workerId, (attempt) => {
      if (attempt !== undefined) dropped.push(attempt);
      seat.call();
    });
    return () => {
      timer.cancel();
      unhook();
      unsubscribe();
    };
  }
}

function keyOf({ jobId, attempt }: AttemptRef): string {
  return `${jobId}:${attempt}`;
}
