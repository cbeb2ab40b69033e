/** Work calls that a network delivers twice: the copy gets the answer of the first, and claims nothing of its own. */
import type { WorkReply } from '../../contract/worker.ts';
import { isBlixardError } from '../../domain/errors.ts';

/** Calls of one worker that are remembered: it has two under way at most, and the copies of those before. */
const keptPerWorker = 4;

interface Served {
  readonly token: string;
  readonly reply: Promise<WorkReply>;
}

/** The newest calls of each live worker, with their answers. */
export class SameCalls {
  readonly #served = new Map<string, readonly Served[]>();

  /** The answer to the call of this token, which is served by `serve` unless it was before. */
  once(workerId: string, token: string, serve: () => Promise<WorkReply>): Promise<WorkReply> {
    const served = this.#served.get(workerId) ?? [];
    const before = served.find((call) => call.token === token);
    if (before !== undefined) return before.reply;
    const reply = serve();
    this.#served.set(workerId, [...served, { token, reply }].slice(-keptPerWorker));
    // Who is refused may be no live worker, and then nobody tells when to forget it.
    reply.catch((error: unknown) => {
      if (isBlixardError(error, 'WORKER_NOT_FOUND') || isBlixardError(error, 'FENCED'))
        this.#drop(workerId, reply);
    });
    return reply;
  }

  #drop(workerId: string, reply: Promise<WorkReply>): void {
    const left = this.#served.get(workerId)?.filter((call) => call.reply !== reply) ?? [];
    if (left.length > 0) this.#served.set(workerId, left);
    else this.#served.delete(workerId);
  }

  /** How many have a call that is remembered. */
  get workers(): number {
    return this.#served.size;
  }

  /** A worker is gone. */
  forget(workerId: string): void {
    this.#served.delete(workerId);
  }
}
