/** Keeps the lease alive while no other call does: work calls renew it, and mostly this has nothing to do. */
import type { BlixardClient } from '../client/client.ts';
import type { HeartbeatReply } from '../contract/worker.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Holder } from './attempt-run.ts';
import { isAnswer } from './until-answered.ts';

/** Heartbeats a work call may be late before one is sent by itself; the lease is three long. */
const patience = 1.5;

/** Whose lease, how long a heartbeat, and whom to tell of the answers. */
export interface HeartbeatDeps {
  readonly client: BlixardClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly holder: Holder;
  readonly heartbeatMs: number;
  readonly onReply: (reply: HeartbeatReply) => void;
  /** The server refuses this generation. */
  readonly onRefused: (error: unknown) => void;
}

/** A timer that looks, when it fires, whether the lease was renewed meanwhile. */
export class Heartbeat {
  readonly #deps: HeartbeatDeps;
  readonly #halt = new AbortController();
  #timer: Timer | undefined;
  /** When the next beat is due, and when the timer fires, monotonic ms. */
  #dueAtMs = 0;
  #firesAtMs = 0;

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
  }

  /** The lease was renewed just now: the next beat is due later. Also starts it. */
  renewed(): void {
    this.#beatAfter(this.#deps.heartbeatMs * patience);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#halt.abort();
  }

  #beatAfter(delayMs: number): void {
    this.#dueAtMs = this.#deps.clock.monotonicMs() + delayMs;
    // One that fires before finds that out.
    if (this.#timer === undefined || this.#firesAtMs > this.#dueAtMs) this.#fireAfter(delayMs);
  }

  #fireAfter(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#halt.signal.aborted) return;
    const { clock } = this.#deps;
    this.#firesAtMs = clock.monotonicMs() + delayMs;
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      const leftMs = this.#dueAtMs - clock.monotonicMs();
      if (leftMs > 0) this.#fireAfter(leftMs);
      else void this.#beat();
    });
  }

  async #beat(): Promise<void> {
    const { client, holder, heartbeatMs } = this.#deps;
    const { signal } = this.#halt;
    try {
      const reply = await client.call('heartbeat', {
        params: { id: holder.workerId },
        body: { generation: holder.generation },
        signal,
        timeoutMs: heartbeatMs,
      });
      if (signal.aborted) return;
      this.renewed();
      this.#deps.onReply(reply);
    } catch (error) {
      if (!signal.aborted) this.#missed(error);
    }
  }

  #missed(error: unknown): void {
    if (isAnswer(error)) {
      this.#deps.onRefused(error);
      return;
    }
    this.#deps.log.warn({ err: error }, 'a heartbeat was not answered');
    this.#beatAfter(this.#deps.heartbeatMs);
  }
}
