/** Ships one attempt's output to the server: in order, one upload at a time, holding the guest back when it must. */
import type { LogStream } from '../contract/log.ts';
import { isBlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { sleep, type Timer } from '../platform/clock.ts';
import { LogBuffer, type LogUpload } from './log-buffer.ts';
import { type CallerDeps, untilAnswered } from './until-answered.ts';

/** Small writes that come within this time after an upload go out together. */
const coalesceMs = 5;

/** Where one log goes, and what ends the shipping early. */
export interface LogShipperDeps extends CallerDeps {
  /** Appends records; answers where the log ends then. Safe to repeat. */
  readonly append: (upload: LogUpload, signal: AbortSignal) => Promise<number>;
  /** While this holds, the end of the attempt could not be told either, so its output waits, too. */
  readonly isServerAway: () => boolean;
  /** The server says that this attempt is not ours any more. */
  readonly onFenced: () => void;
  /** The attempt was killed: its output is of no more use. */
  readonly kill: AbortSignal;
}

/** Holds at most `limits.logBufferBytes` and the write that passed it. */
export class LogShipper {
  readonly #deps: LogShipperDeps;
  readonly #buffer = new LogBuffer();
  readonly #finish = new AbortController();
  readonly #end = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #shipping: Promise<void> | undefined;
  #late: Timer | undefined;

  constructor(deps: LogShipperDeps) {
    this.#deps = deps;
    // A function may write for the first time when it was killed before.
    if (deps.kill.aborted) this.#giveUp();
    else deps.kill.addEventListener('abort', () => this.#giveUp(), { once: true });
  }

  /** Takes output; resolves when there is room for more. Never rejects: what cannot be shipped is dropped and told. */
  async write(stream: LogStream, data: Buffer): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#buffer.add(stream, this.#deps.clock.nowMs(), data);
    this.#shipping ??= this.#ship();
    if (this.#buffer.bytes >= limits.logBufferBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /**
   * No more output comes: waits until the server has all of it, at most `waitMs`, and until a server that is away
   * is back; then drops the rest.
   */
  async finish(waitMs: number): Promise<void> {
    this.#finish.abort();
    if (this.#shipping === undefined) return;
    this.#giveUpAfter(waitMs);
    await this.#shipping;
    this.#late?.cancel();
  }

  #giveUpAfter(waitMs: number, wasAway = false): void {
    this.#late = this.#deps.clock.after(waitMs, () => {
      const isAway = this.#deps.isServerAway();
      // One that is just back gets the whole time.
      if (isAway || wasAway) return this.#giveUpAfter(waitMs, isAway);
      const lostBytes = this.#buffer.bytes;
      this.#deps.log.warn({ lostBytes }, 'the end of a log did not reach the server in time');
      this.#giveUp();
    });
  }

  async #ship(): Promise<void> {
    for (let upload = this.#buffer.next(); upload !== undefined; upload = this.#buffer.next()) {
      await this.#upload(upload);
      this.#letWritersOn();
      await sleep(this.#deps.clock, coalesceMs, this.#finish.signal);
    }
    this.#shipping = undefined;
  }

  async #upload(upload: LogUpload): Promise<void> {
    const { append } = this.#deps;
    try {
      const { signal } = this.#end;
      const endOffset = await untilAnswered(this.#deps, 'appendLogs', signal, () => append(upload, signal));
      this.#buffer.acknowledge(endOffset);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (isBlixardError(error, 'LOG_OFFSET_MISMATCH')) {
        if (this.#buffer.continueFrom(Number(error.details['expectedOffset']))) return;
      }
      if (isBlixardError(error, 'FENCED')) this.#deps.onFenced();
      else this.#deps.log.error({ err: error }, 'the server refuses the log of an attempt, the rest is lost');
      this.#giveUp();
    }
  }

  #giveUp(): void {
    this.#end.abort();
    this.#finish.abort();
    this.#buffer.clear();
    this.#letWritersOn();
  }

  #letWritersOn(): void {
    if (this.#buffer.bytes >= limits.logBufferBytes) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
