/** Requests under way: each has a signal that aborts when its client has gone, or when the server closes. */
import type { ServerResponse } from 'node:http';
import { BlixardError } from '../../domain/errors.ts';

/** All requests under way on one application. */
export class OpenRequests {
  readonly #open = new Set<AbortController>();
  #isClosing = false;

  /** Throws SERVER_CLOSING once the server closes. */
  begin(response: ServerResponse): AbortSignal {
    this.assertOpen();
    const controller = new AbortController();
    this.#open.add(controller);
    response.once('close', () => {
      this.#open.delete(controller);
      controller.abort(new DOMException('the client has gone', 'AbortError'));
    });
    return controller.signal;
  }

  /** The same for a call without a response of its own: `caller` aborts when its client has gone; `end` it after. */
  beginCall(caller?: AbortSignal): { readonly signal: AbortSignal; end(): void } {
    this.assertOpen();
    const controller = new AbortController();
    const gone = (): void => controller.abort(new DOMException('the client has gone', 'AbortError'));
    if (caller?.aborted) gone();
    caller?.addEventListener('abort', gone, { once: true });
    this.#open.add(controller);
    return {
      signal: controller.signal,
      end: () => {
        this.#open.delete(controller);
        caller?.removeEventListener('abort', gone);
      },
    };
  }

  assertOpen(): void {
    if (this.#isClosing) throw new BlixardError('SERVER_CLOSING');
  }

  /** Ends what waits; begins no more. */
  close(): void {
    this.#isClosing = true;
    for (const controller of this.#open) controller.abort(new BlixardError('SERVER_CLOSING'));
  }
}
