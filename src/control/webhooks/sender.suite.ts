/** A sender without a network, for tests that are not about it. */
import type { Message } from './message.ts';
import type { TryOutcome, WebhookSender } from './sender.ts';

/** Remembers what it was to send; all goes well until it is told otherwise. */
export class FakeSender implements Pick<WebhookSender, 'assertTarget' | 'send' | 'close'> {
  readonly sent: Message[] = [];
  /** The receiver answers with 500. */
  isDown = false;

  assertTarget(): void {
    // It goes nowhere.
  }

  async send(_to: { url: string; secret: string }, message: Message): Promise<TryOutcome> {
    this.sent.push(message);
    const { isDown } = this;
    return {
      statusCode: isDown ? 500 : 204,
      durationMs: 0,
      problem: isDown ? 'the answer was 500' : null,
      retryAfterMs: 0,
    };
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}
