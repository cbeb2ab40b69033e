/**
 * The conversation with the server: `work(done, want, waitMs)` is always outstanding. News (an attempt ended, a slot
 * is free) goes out at once in a newer call, which makes the server end the older, waiting one. A call whose answer
 * was lost is repeated with its token until it is answered, so that no claim is lost.
 */
import type { BlixardClient } from '../client/client.ts';
import type { AttemptDone, WorkReply } from '../contract/worker.ts';
import { limits } from '../domain/limits.ts';
import { sleep, type Timer } from '../platform/clock.ts';
import type { Ids } from '../platform/random.ts';
import type { Holder } from './attempt-run.ts';
import { answerTimeoutMs, type CallerDeps, untilAnswered } from './until-answered.ts';
import type { WorkerNews } from './worker-news.ts';

/** The waiting call, and the one that takes its place. */
const callsMax = 2;
/** A call that is under way for longer has found nothing to claim, and waits. */
const claimingMs = 250;
/** After answers that came early and brought nothing: 10 ms doubling to 250 ms. */
const pause = { firstMs: 10, maxMs: 250, doublingsMax: 5 };

interface Call {
  readonly token: string;
  readonly done: readonly AttemptDone[];
  readonly want: number;
  readonly waitMs: number;
  readonly sentAtMs: number;
}

/** Who talks, what is wanted, and whom to tell of the answers. */
export interface WorkLoopDeps extends CallerDeps {
  readonly client: BlixardClient;
  readonly ids: Ids;
  readonly holder: Holder;
  /** How long the server may hold a call for which it has nothing. */
  readonly waitMs: number;
  /** Claims wanted now. */
  readonly want: () => number;
  /** Most ends one call tells: of many, another call tells the others, so that one is always on its way. */
  readonly share: () => number;
  readonly news: Pick<WorkerNews, 'now'>;
  /** Attempts end many in one turn of the event loop: their ends, and what is wanted next, go out in one call. */
  readonly joinsEnds: boolean;
  readonly onReply: (reply: WorkReply) => void;
  /** The server refuses this generation; nothing more is sent. */
  readonly onRefused: (error: unknown) => void;
}

/** Talks until `stop`, or until the server refuses the generation. */
export class WorkLoop {
  readonly #deps: WorkLoopDeps;
  readonly #halt = new AbortController();
  readonly #calls = new Set<Call>();
  /** Bounded by the attempts held: the server gives no new ones before it has taken these. */
  readonly #outbox: AttemptDone[] = [];
  #newest: Call | undefined;
  #uselessAnswers = 0;
  #pause: Timer | undefined;
  #onQuiet: (() => void) | undefined;
  #willPump = false;

  constructor(deps: WorkLoopDeps) {
    this.#deps = deps;
  }

  /** Tells the server of an ended attempt, or only that more may be wanted. */
  report(done: AttemptDone | null): void {
    if (done !== null) this.#outbox.push(done);
    this.#pumpSoon();
  }

  /** Sends what there is to send; also begins the conversation. */
  pump(): void {
    if (this.#halt.signal.aborted) return;
    if (this.#calls.size < callsMax && this.#hasReasonToCall()) this.#send();
    else if (this.#calls.size === 0 && this.#outbox.length === 0) this.#onQuiet?.();
  }

  /** After all that ends in this turn of the event loop has ended. */
  #pumpSoon(): void {
    if (!this.#deps.joinsEnds) {
      this.pump();
    } else if (!this.#willPump) {
      this.#willPump = true;
      process.nextTick(() => {
        this.#willPump = false;
        this.pump();
      });
    }
  }

  /** Has everything reported that was to be, at most within `waitMs`; waits for no more work. */
  async finish(waitMs: number): Promise<void> {
    if (this.#halt.signal.aborted) return;
    const quiet = new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    });
    this.pump();
    const over = new AbortController();
    await Promise.race([quiet, sleep(this.#deps.clock, waitMs, over.signal)]);
    over.abort();
  }

  /** Ends the conversation at once. */
  stop(): void {
    this.#pause?.cancel();
    this.#halt.abort();
    this.#onQuiet?.();
  }

  get #finishing(): boolean {
    return this.#onQuiet !== undefined;
  }

  #hasReasonToCall(): boolean {
    if (this.#outbox.length > 0) return true;
    if (this.#finishing) return this.#serverHoldsACall();
    if (this.#deps.want() !== this.#newest?.want) return true;
    return this.#calls.size === 0 && this.#pause === undefined;
  }

  #serverHoldsACall(): boolean {
    return this.#newest !== undefined && this.#newest.waitMs > 0 && this.#calls.has(this.#newest);
  }

  #send(): void {
    this.#resume();
    const want = this.#finishing ? 0 : this.#wantNow();
    const call: Call = {
      token: this.#deps.ids(),
      done: this.#outbox.splice(0, Math.min(this.#deps.share(), limits.workMax)),
      want,
      waitMs: this.#finishing ? 0 : this.#deps.waitMs,
      sentAtMs: this.#deps.clock.monotonicMs(),
    };
    this.#calls.add(call);
    this.#newest = call;
    void this.#converse(call);
    if (this.#outbox.length > 0 && this.#calls.size < callsMax) this.#send();
  }

  /**
   * What the call before is about to bring, where ends go out one by one: of two ends that come close together, the
   * first has asked for its slot. Where it brings nothing, what it asked for is wanted again.
   */
  #beingClaimed(): number {
    const before = this.#newest;
    if (this.#deps.joinsEnds || before === undefined || !this.#calls.has(before)) return 0;
    if (this.#outbox.length === 0 || before.done.length === 0) return 0;
    return this.#deps.clock.monotonicMs() - before.sentAtMs < claimingMs ? before.want : 0;
  }

  #wantNow(): number {
    return Math.max(0, Math.min(this.#deps.want(), limits.workMax) - this.#beingClaimed());
  }

  async #converse(call: Call): Promise<void> {
    const { signal } = this.#halt;
    let isMore = true;
    try {
      const reply = await untilAnswered(this.#deps, 'work', signal, (tries) => this.#ask(call, tries > 0));
      if (signal.aborted) return;
      isMore = reply.claimed.length === call.want;
      this.#deps.onReply(reply);
      this.#pauseIfUseless(call, reply);
    } catch (error) {
      if (signal.aborted) return;
      this.stop();
      this.#deps.onRefused(error);
    } finally {
      this.#calls.delete(call);
      // Where more is to be had, a claim is under way while these jobs are done.
      if (isMore && this.#calls.size === 0) this.pump();
      else this.#pumpSoon();
    }
  }

  #ask({ token, done, want, waitMs }: Call, repeat: boolean): Promise<WorkReply> {
    const { client, holder, news } = this.#deps;
    return client.call('work', {
      params: { id: holder.workerId },
      body: {
        generation: holder.generation,
        token,
        repeat,
        done: [...done],
        want,
        waitMs,
        ...news.now(),
      },
      signal: this.#halt.signal,
      timeoutMs: waitMs + answerTimeoutMs,
    });
  }

  /** A server that answers at once with nothing, say because a cancelled command is still ending, is not hammered. */
  #pauseIfUseless(call: Call, reply: WorkReply): void {
    const { clock } = this.#deps;
    const early = clock.monotonicMs() - call.sentAtMs < call.waitMs / 2;
    if (call !== this.#newest || !early || call.done.length > 0 || reply.claimed.length > 0) {
      this.#uselessAnswers = 0;
      return;
    }
    const doublings = Math.min(this.#uselessAnswers++, pause.doublingsMax);
    this.#pause = clock.after(Math.min(pause.firstMs * 2 ** doublings, pause.maxMs), () => {
      this.#resume();
      this.pump();
    });
  }

  #resume(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
  }
}
