/** Stays with a submitted job to its end: output, why it waits, Ctrl-C, exit code. */
import type { BlixardClient } from '../client/index.ts';
import type { Job } from '../contract/job.ts';
import { isBlixardError } from '../domain/errors.ts';
import type { Timer } from '../platform/clock.ts';
import { say } from './command.ts';
import type { CliContext, Interrupt } from './context.ts';
import { endNotice, exitCodeOf, exitCodes, interruptCodes, outputClosedCode } from './exit-code.ts';
import { followJob } from './follow.ts';
import { printable } from './output/style.ts';
import { showProgress } from './progress.ts';
import { OutputClosed } from './terminal.ts';

/** How long a job may stay silent before we look whether it waits for something, ms; doubled after each look. */
const waitingNote = { afterMs: 2_000, everyMsMax: 30_000 };

/** Resolves with the exit code for the shell. */
export async function attach(context: CliContext, client: BlixardClient, jobId: string): Promise<number> {
  const waiting = noteWhyItWaits(context, client, jobId);
  const progress = showProgress(context, client, jobId);
  const interrupts = new InterruptedJob(context, client, jobId);
  try {
    const job = await followJob(context, client, jobId, {
      signal: interrupts.left,
      onOutput: waiting.stop,
    });
    const notice = endNotice(job);
    if (notice !== undefined) await say(context, printable(notice));
    return job.state === 'cancelled' ? (interrupts.code ?? exitCodeOf(job)) : exitCodeOf(job);
  } catch (error) {
    if (error instanceof OutputClosed) return await cancelUnread(context, client, jobId);
    if (interrupts.left.aborted && interrupts.failure === undefined) {
      await say(context, `left job ${jobId} while it is being cancelled`);
      return interrupts.code ?? exitCodes.ownError;
    }
    await say(context, `job ${jobId} is still stored; look at it with: blixard job get ${jobId}`);
    throw interrupts.failure ?? error;
  } finally {
    waiting.stop();
    progress.stop();
    interrupts.close();
  }
}

/** Like any program of a pipe whose reader has gone, the job ends, unless it did by itself. */
async function cancelUnread(context: CliContext, client: BlixardClient, jobId: string): Promise<number> {
  const body = { reason: 'nobody reads its output', by: context.actor };
  try {
    await client.call('cancelJob', { params: { id: jobId }, body });
  } catch (error) {
    if (!isBlixardError(error, 'JOB_INVALID_TRANSITION')) throw error;
  }
  return outputClosedCode;
}

function noteWhyItWaits(
  context: CliContext,
  client: BlixardClient,
  jobId: string,
): { readonly stop: () => void } {
  let said = '';
  let isOver = false;
  const note = async (): Promise<void> => {
    const job = await client.call('getJob', { params: { id: jobId } });
    const why = whyOf(job);
    if (isOver || why === said) return;
    said = why;
    if (why !== '') await say(context, printable(`job ${jobId} waits: ${why}`));
  };
  // A server that does not answer is told by the follower, which asks it all the time.
  const leftToFollower = (): void => undefined;
  const lookIn = (delayMs: number): Timer =>
    context.clock.after(delayMs, () => {
      void note().catch(leftToFollower);
      timer = lookIn(Math.min(delayMs * 2, waitingNote.everyMsMax));
    });
  let timer = lookIn(waitingNote.afterMs);
  const stop = (): void => {
    isOver = true;
    timer.cancel();
  };
  return { stop };
}

/** With what the attempt before has told; empty: it does not wait. */
function whyOf({ waiting, state, message }: Job): string {
  if (waiting === null) return '';
  return state === 'scheduled' && message !== null ? `${waiting} ${message}` : waiting;
}

/** The first interrupt cancels the job, the second leaves it. */
class InterruptedJob {
  readonly #context: CliContext;
  readonly #client: BlixardClient;
  readonly #jobId: string;
  readonly #leave = new AbortController();
  readonly #stopListening: () => void;
  #signal: Interrupt | undefined;
  #failure: unknown;

  constructor(context: CliContext, client: BlixardClient, jobId: string) {
    this.#context = context;
    this.#client = client;
    this.#jobId = jobId;
    this.#stopListening = context.onInterrupt((signal) => this.#interrupted(signal));
  }

  /** Aborts when following should end at once. */
  get left(): AbortSignal {
    return this.#leave.signal;
  }

  /** The exit code of the first interrupt; undefined when there was none. */
  get code(): number | undefined {
    return this.#signal === undefined ? undefined : interruptCodes[this.#signal];
  }

  /** Why the job could not be cancelled. */
  get failure(): unknown {
    return this.#failure;
  }

  close(): void {
    this.#stopListening();
  }

  #interrupted(signal: Interrupt): void {
    if (this.#signal === undefined) {
      this.#signal = signal;
      this.#cancel().catch((error: unknown) => this.#giveUp(error));
    } else this.#leave.abort();
  }

  async #cancel(): Promise<void> {
    if (this.#context.terminal.isTty('stderr')) {
      await say(this.#context, 'cancelling; press Ctrl-C again to leave without waiting for the end');
    }
    const body = { reason: 'interrupted', by: this.#context.actor };
    await this.#client.call('cancelJob', { params: { id: this.#jobId }, body });
  }

  #giveUp(error: unknown): void {
    // The job ended by itself meanwhile; its end is on its way.
    if (isBlixardError(error, 'JOB_INVALID_TRANSITION')) return;
    this.#failure = error;
    this.#leave.abort();
  }
}
