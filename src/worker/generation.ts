/** One generation of a worker: all it holds and says between a registration and the end of that. */
import type { BlixardClient } from '../client/client.ts';
import type { ExecutorOffer, HeartbeatReply, Registered, WorkReply } from '../contract/worker.ts';
import { limits } from '../domain/limits.ts';
import type { ExecutorRegistry } from '../executor/registry.ts';
import { sleep } from '../platform/clock.ts';
import type { Ids } from '../platform/random.ts';
import type { VmService } from '../vm/vm-service.ts';
import { AttemptRun, type Holder } from './attempt-run.ts';
import { Attempts } from './attempts.ts';
import { Heartbeat } from './heartbeat.ts';
import { type CallerDeps, untilAnswered } from './until-answered.ts';
import { WorkLoop } from './work-loop.ts';
import { WorkerNews } from './worker-news.ts';

/** How long a leaving worker waits for its last reports to be taken, and then for its farewell. */
const lastReportsMs = 10_000;
const farewellMs = 3_000;

/** What a generation is built from, once the server has registered it. */
export interface GenerationDeps extends CallerDeps {
  readonly client: BlixardClient;
  readonly executors: ExecutorRegistry;
  readonly ids: Ids;
  readonly vms: Pick<VmService, 'told' | 'breakers' | 'lacking'>;
  readonly workerId: string;
  readonly slots: number;
  /** Most jobs to claim ahead, where all executors are light; default `limits.claimAheadMax`. */
  readonly claimAheadMax?: number;
  readonly registered: Registered;
  /** What the registration has told of its executors. */
  readonly offered: readonly ExecutorOffer[];
}

/** Why a generation ended: the server refused it, or the worker left. */
export type GenerationEnd = 'refused' | 'left';

/** Works from `start` until the server refuses it, `drain` or `kill`. */
export class Generation {
  readonly #deps: GenerationDeps;
  readonly #holder: Holder;
  readonly #attempts: Attempts;
  readonly #loop: WorkLoop;
  readonly #heartbeat: Heartbeat;
  #end: ((why: GenerationEnd) => void) | undefined;
  #answered = false;
  #answeredAtMs: number;
  readonly #abandoned = new AbortController();
  /** Resolves when nothing of this generation runs any more. */
  readonly ended: Promise<GenerationEnd>;

  constructor(deps: GenerationDeps) {
    this.#deps = deps;
    this.#answeredAtMs = deps.clock.monotonicMs();
    this.#holder = { workerId: deps.workerId, generation: deps.registered.generation };
    const { heartbeatMs } = deps.registered;
    const shared = { ...deps, holder: this.#holder, isServerAway: () => this.#isServerAway };
    const { isLight } = deps.executors;
    this.#attempts = new Attempts({
      clock: deps.clock,
      slots: deps.slots,
      claimAheadMax: isLight ? (deps.claimAheadMax ?? limits.claimAheadMax) : 0,
      makeRun: (claimed) => new AttemptRun(claimed, shared),
      onEnded: (done) => this.#loop.report(done),
    });
    const onRefused = (error: unknown): void => void this.#refused(error);
    const onReply = (reply: WorkReply | HeartbeatReply): void => this.#replied(reply);
    this.#loop = new WorkLoop({
      ...shared,
      waitMs: Math.min(heartbeatMs, limits.waitMsMax),
      want: () => this.#attempts.want,
      share: () => this.#attempts.share,
      news: new WorkerNews(deps),
      joinsEnds: isLight,
      onReply,
      onRefused,
    });
    this.#heartbeat = new Heartbeat({ ...shared, heartbeatMs, onReply, onRefused });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Whether the server has ever taken a call of this generation. */
  get wasAnswered(): boolean {
    return this.#answered;
  }

  /** Some call is always under way, and a server that is there answers it within a heartbeat or so. */
  get #isServerAway(): boolean {
    const { clock, registered } = this.#deps;
    return clock.monotonicMs() - this.#answeredAtMs > registered.heartbeatMs * 2;
  }

  start(): void {
    this.#heartbeat.renewed();
    this.#loop.pump();
  }

  /**
   * Leaves in good order: no more claims, what is not started goes back, running attempts have `graceMs` and are
   * then ended and given back too; the last reports are waited for, and the server is told.
   */
  async drain(graceMs: number): Promise<void> {
    this.#attempts.closeIntake();
    this.#loop.pump();
    const told = this.#say('drainWorker', farewellMs);
    await this.#within(graceMs, this.#attempts.ended());
    this.#attempts.loseAll('the worker was stopped');
    await this.#attempts.ended();
    await told;
    await this.#loop.finish(lastReportsMs);
    this.#stopTalking();
    await this.#say('removeWorker', farewellMs);
    this.#end?.('left');
  }

  /** Ends everything at once, without a word to the server. */
  async kill(): Promise<void> {
    await this.#abandon('left');
  }

  #replied(reply: WorkReply | HeartbeatReply): void {
    this.#answered = true;
    this.#answeredAtMs = this.#deps.clock.monotonicMs();
    if ('fenced' in reply && reply.fenced.length > 0) {
      this.#deps.log.warn(
        { attempts: reply.fenced },
        'reported ends of attempts that were not ours any more',
      );
    }
    if ('claimed' in reply) {
      this.#attempts.accept(reply.claimed);
      this.#attempts.giveBackUnknown(reply.unstarted);
    }
    if (reply.state === 'draining') this.#attempts.giveBackWaiting();
    this.#attempts.cancel(reply.cancel);
    // Jobs begin before that.
    this.#heartbeat.renewed();
  }

  async #refused(error: unknown): Promise<void> {
    this.#deps.log.warn(
      { err: error, ...this.#holder },
      'the server refuses this worker, all it runs is killed',
    );
    await this.#abandon('refused');
  }

  async #abandon(why: GenerationEnd): Promise<void> {
    this.#abandoned.abort();
    this.#stopTalking();
    this.#attempts.forgetAll();
    await this.#attempts.ended();
    this.#end?.(why);
  }

  #stopTalking(): void {
    this.#loop.stop();
    this.#heartbeat.stop();
  }

  /** Tells the server something it could find out by itself, so failing to is only logged. */
  async #say(name: 'drainWorker' | 'removeWorker', withinMs: number): Promise<void> {
    const { client, log } = this.#deps;
    const { workerId: id, generation } = this.#holder;
    const over = new AbortController();
    const late = this.#deps.clock.after(withinMs, () => over.abort());
    const signal = AbortSignal.any([over.signal, this.#abandoned.signal]);
    try {
      await untilAnswered(this.#deps, name, signal, () =>
        client.call(name, { params: { id }, query: { generation }, signal }),
      );
    } catch (error) {
      if (!this.#abandoned.signal.aborted) log.warn({ err: error }, `${name} was not answered`);
    } finally {
      late.cancel();
    }
  }

  async #within(ms: number, done: Promise<void>): Promise<void> {
    const over = new AbortController();
    await Promise.race([done, sleep(this.#deps.clock, ms, over.signal)]);
    over.abort();
  }
}
