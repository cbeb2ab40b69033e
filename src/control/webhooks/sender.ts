/** Sends one message to one URL, once, and tells how that went. */
import type { Agent } from 'undici';
import { Deadline } from '../../client/deadline.ts';
import { defaults } from '../../domain/defaults.ts';
import { isBlixardError, problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { formatDurationMs } from '../../domain/units.ts';
import type { Clock } from '../../platform/clock.ts';
import { type Message, signatureOf } from './message.ts';
import { assertTarget, guardedLookup, type WebhookTargets } from './targets.ts';

/** How one try went. */
export interface TryOutcome {
  /** Null when no answer came. */
  readonly statusCode: number | null;
  readonly durationMs: number;
  /** Why it failed; null when it was delivered. */
  readonly problem: string | null;
  /** How long the receiver asked to be left alone; 0 when it did not. */
  readonly retryAfterMs: number;
}

interface Answer {
  readonly statusCode: number;
  readonly retryAfter: string | string[] | undefined;
}

/** One per control process; connections are kept open for a while. */
export class WebhookSender {
  readonly #clock: Clock;
  readonly #targets: WebhookTargets;
  readonly #userAgent: string;
  #agent: Promise<Agent> | undefined;

  constructor(deps: { clock: Clock; targets: WebhookTargets; version: string }) {
    this.#clock = deps.clock;
    this.#targets = deps.targets;
    this.#userAgent = `blixard/${deps.version}`;
  }

  /** The client is loaded with the first message: most servers send none, and it is a large part of their memory. */
  async #makeAgent(): Promise<Agent> {
    const { Agent } = await import('undici');
    return new Agent({
      connect: { timeout: defaults.connectTimeoutMs, lookup: guardedLookup(this.#targets) },
      maxHeaderSize: limits.requestHeadBytes,
    });
  }

  /** Throws WEBHOOK_TARGET_REFUSED for a URL that names an address which is not allowed. */
  assertTarget(url: string): void {
    assertTarget(url, this.#targets);
  }

  /** Never rejects: what went wrong is the outcome. Redirects are not followed. */
  async send(
    to: { readonly url: string; readonly secret: string },
    message: Message,
    signal?: AbortSignal,
  ): Promise<TryOutcome> {
    const startMs = this.#clock.monotonicMs();
    const deadline = new Deadline({ clock: this.#clock, timeoutMs: defaults.webhookTimeoutMs, signal });
    try {
      const answer = await this.#post(to, message, deadline.signal);
      const isDelivered = answer.statusCode >= 200 && answer.statusCode < 300;
      return {
        statusCode: answer.statusCode,
        durationMs: this.#since(startMs),
        problem: isDelivered ? null : `the answer was ${answer.statusCode}`,
        retryAfterMs: isDelivered ? 0 : retryAfterMs(answer.retryAfter, this.#clock.nowMs()),
      };
    } catch (error) {
      const problem = deadline.isOver
        ? `no whole answer within ${formatDurationMs(defaults.webhookTimeoutMs)}`
        : wordsOf(error);
      return { statusCode: null, durationMs: this.#since(startMs), problem, retryAfterMs: 0 };
    } finally {
      deadline.stop();
    }
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await (await this.#agent)?.destroy();
  }

  async #post(
    { url, secret }: { readonly url: string; readonly secret: string },
    { id, body }: Message,
    signal: AbortSignal,
  ): Promise<Answer> {
    this.assertTarget(url);
    const { origin, pathname, search } = new URL(url);
    const timestampS = Math.floor(this.#clock.nowMs() / 1_000);
    this.#agent ??= this.#makeAgent();
    const answer = await (await this.#agent).request({
      origin,
      path: pathname + search,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': this.#userAgent,
        'webhook-id': id,
        'webhook-timestamp': String(timestampS),
        'webhook-signature': signatureOf(secret, id, timestampS, body),
      },
      body,
      signal,
    });
    await answer.body.dump({ limit: limits.webhookAnswerBytes, signal });
    return { statusCode: answer.statusCode, retryAfter: answer.headers['retry-after'] };
  }

  #since(startMs: number): number {
    return Math.round(this.#clock.monotonicMs() - startMs);
  }
}

/** `120`, or a date; anything else counts as not said. At most `limits.webhookRetryAfterMsMax`. */
export function retryAfterMs(header: string | string[] | undefined, nowMs: number): number {
  if (typeof header !== 'string') return 0;
  const waitMs = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isNaN(waitMs) ? 0 : Math.min(Math.max(0, waitMs), limits.webhookRetryAfterMsMax);
}

/** The hosts of an AggregateError each say why. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError)
    return error.errors.map(problemOf).join('; ').slice(0, limits.reasonLength);
  return isBlixardError(error) ? error.message : problemOf(error).slice(0, limits.reasonLength);
}
