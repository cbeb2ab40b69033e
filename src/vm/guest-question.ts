/** The one question of the host that is not about a command and is answered by an empty frame: what a guest becomes. */
import { type Frame, guestFrames } from '../contract/guest.ts';
import { BlixardError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { Pending } from './guest-pending.ts';
import { guestBroke, readRefusal } from './guest-replies.ts';

/** What is asked. */
export interface Asked {
  /** In errors, for example `a reset`. */
  readonly words: string;
  /** What the answer is when it is not `failed`. */
  readonly answer: number;
  readonly failure: 'VM_BOOT_FAILED' | 'VM_CRASHED';
  /** Of its error when no answer comes in time. */
  readonly lateProblem: string;
  readonly timeoutMs: number;
}

/** At most one question waits: a new one makes the one before fail. */
export class GuestQuestion {
  readonly #clock: Clock;
  #open: { readonly asked: Asked; readonly pending: Pending<undefined> } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Waits for the answer to what `send` sends; `isOver`: none can come. Rejects with the error of what is asked. */
  async ask(asked: Asked, isOver: boolean, send: () => void): Promise<void> {
    const { timeoutMs } = asked;
    const failed = (problem: string) => new BlixardError(asked.failure, { problem });
    this.fail(failed('something else was asked of it meanwhile'));
    const late = () => failed(asked.lateProblem);
    const pending = new Pending<undefined>({ clock: this.#clock, timeoutMs, late });
    this.#open = { asked, pending };
    if (isOver) pending.reject(failed('its channel is over'));
    send();
    await pending.answer;
  }

  /** Throws GUEST_PROTOCOL for what is no answer. */
  accept({ type, payload }: Frame): void {
    if (this.#open === undefined) throw guestBroke(`frame type ${type} that nothing asked for`);
    const { asked, pending } = this.#open;
    const problem = type === guestFrames.failed ? readRefusal(payload) : undefined;
    if (problem !== undefined) pending.reject(new BlixardError(asked.failure, { problem }));
    else if (type === asked.answer && payload.length === 0) pending.resolve(undefined);
    else throw guestBroke(`frame type ${type} in answer to ${asked.words}`);
    this.#open = undefined;
  }

  /** No answer comes any more. */
  fail(error: BlixardError): void {
    this.#open?.pending.reject(error);
  }
}
