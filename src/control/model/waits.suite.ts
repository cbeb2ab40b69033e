/** Calls that wait for the end of a job or a group while steps are taken: each ends when it should, and not before. */
import { expect } from 'vitest';
import { settle } from '../control.suite.ts';

/** What is waited for. */
export interface Awaited {
  readonly what: string;
  /** By the model. */
  hasEnded(): boolean;
  /** Gives whether it has ended. */
  wait(waitMs: number, signal: AbortSignal): Promise<boolean>;
}

interface Wait extends Awaited {
  readonly untilMs: number;
  readonly leave: AbortController;
  /** Undefined while it waits. */
  answer: { readonly ended: boolean } | { readonly error: unknown } | undefined;
}

export class Waits {
  #open: Wait[] = [];

  begin(awaited: Awaited, nowMs: number, waitMs: number): void {
    const leave = new AbortController();
    const wait: Wait = { ...awaited, untilMs: nowMs + waitMs, leave, answer: undefined };
    this.#open.push(wait);
    awaited.wait(waitMs, leave.signal).then(
      (ended) => {
        wait.answer = { ended };
      },
      (error: unknown) => {
        wait.answer = { error };
      },
    );
  }

  /** When the time of the next one is over. */
  get nextMs(): number | undefined {
    const next = Math.min(...this.#open.map(({ untilMs }) => untilMs));
    return Number.isFinite(next) ? next : undefined;
  }

  /** The oldest one is given up by its user. */
  leave(): void {
    this.#open[0]?.leave.abort();
  }

  /** After a step: those that should have ended have, and no others. */
  async compare(nowMs: number): Promise<void> {
    if (this.#open.length === 0) return;
    await settle();
    for (const wait of this.#open) {
      const { what, answer, untilMs, leave } = wait;
      const [ended, isGivenUp] = [wait.hasEnded(), untilMs <= nowMs || leave.signal.aborted];
      expect({ what, isOver: answer !== undefined }).toEqual({ what, isOver: ended || isGivenUp });
      // Its time may have been over a moment before the end.
      const possible = [...(ended ? [{ ended: true }] : []), ...(isGivenUp ? [{ ended: false }] : [])];
      if (answer !== undefined) expect(possible).toContainEqual(answer);
    }
    this.#open = this.#open.filter(({ answer }) => answer === undefined);
  }

  /** After all steps: everybody leaves. */
  async end(nowMs: number): Promise<void> {
    for (const { leave } of this.#open) leave.abort();
    await this.compare(nowMs);
  }
}
