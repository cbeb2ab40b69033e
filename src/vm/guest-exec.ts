/** One command in the guest, seen from the host: its stdin, its output, the credit of both, and its end. */
import { constants } from 'node:os';
import {
  type ExecSpec,
  type ExitReply,
  encodeExecSpec,
  encodeFrame,
  execSpecBytesMax,
  type Frame,
  guestFrames,
  hostFrames,
  stdinCreditBytes,
} from '../contract/guest.ts';
import type { LogStream } from '../contract/log.ts';
import { asBlixardError, BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { type GuestOutput, OutputQueue } from './guest-output.ts';
import { guestBroke, readCredit, readExitReply, readRefusal } from './guest-replies.ts';

/** A command in the guest, as its starter sees it. */
export interface GuestExec {
  /**
   * Resolves after the last byte of output is delivered. Rejects with GUEST_REFUSED, GUEST_PROTOCOL, VM_CRASHED, or
   * the error of `output`, which also kills the command.
   */
  readonly exited: Promise<ExitReply>;
  /** Resolves when the command has ended, while its output may still wait for its reader; else never. */
  readonly told: Promise<ExitReply>;
  /** Signals the command's process group; does nothing when it has ended. */
  signal(number: number): void;
}

/** The command of a job. */
export interface GuestCommand extends GuestExec {
  /** A zygote took it; known before its first output. */
  readonly byZygote: boolean;
}

/** What a stream may begin with. */
export type StartVerb = (typeof hostFrames)['exec' | 'task' | 'run' | 'handOver'];

/** Credit is given back in steps: half of the window keeps the guest busy meanwhile. */
const creditStepBytes = limits.streamCreditBytes / 2;

/** The stream of one command. */
export class ExecStream implements GuestCommand {
  readonly exited: Promise<ExitReply>;
  readonly told: Promise<ExitReply>;
  readonly #streamId: number;
  readonly #send: (frames: readonly Buffer[]) => void;
  readonly #queue: OutputQueue;
  #stdin: Uint8Array;
  #stdinCreditBytes = stdinCreditBytes;
  #windowBytes: number = limits.streamCreditBytes;
  #owedBytes = 0;
  #mayBeTaken = false;
  #byZygote = false;
  #state: 'open' | 'abandoned' | 'ended' = 'open';
  #tell: ((reply: ExitReply) => void) | undefined;
  #resolve: ((reply: ExitReply) => void) | undefined;
  #reject: ((error: BlixardError) => void) | undefined;

  /** `send` does nothing once the channel is over. */
  constructor(deps: {
    streamId: number;
    stdin: Uint8Array;
    output: GuestOutput;
    send: (frames: readonly Buffer[]) => void;
  }) {
    this.#streamId = deps.streamId;
    this.#send = deps.send;
    this.#stdin = deps.stdin;
    this.#queue = new OutputQueue({
      output: deps.output,
      delivered: (bytes) => this.#giveBack(bytes),
      failed: (error) => this.#abandon(asBlixardError(error)),
    });
    this.told = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.exited = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Its starter may look at the end much later; until then a failure shall not count as an unhandled one.
    void Promise.allSettled([this.exited]);
  }

  get byZygote(): boolean {
    return this.#byZygote;
  }

  /** The guest has said its last word about this stream. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  /**
   * Sends the command, or the task of the agent, and the first of its stdin. Throws GUEST_REFUSED for one that no
   * guest takes.
   */
  start(spec: ExecSpec, verb: StartVerb = hostFrames.exec): void {
    const bytes = encodeExecSpec(spec);
    if (bytes.length > execSpecBytesMax) {
      const problem = `command and env are ${bytes.length} bytes; at most ${execSpecBytesMax} are allowed`;
      throw new BlixardError('GUEST_REFUSED', { problem });
    }
    this.#mayBeTaken = verb === hostFrames.handOver;
    this.#send([...this.#frames(hostFrames.execPart, bytes), ...this.#frames(verb)]);
    this.#sendStdin();
  }

  signal(number: number): void {
    if (this.#state === 'ended') return;
    this.#send(this.#frames(hostFrames.signal, uint32(number)));
  }

  /** Takes a frame of the guest. Throws GUEST_PROTOCOL. */
  accept(frame: Frame): void {
    switch (frame.type) {
      case guestFrames.taken:
        this.#take(frame.payload);
        break;
      case guestFrames.stdout:
        this.#takeOutput('stdout', frame.payload);
        break;
      case guestFrames.stderr:
        this.#takeOutput('stderr', frame.payload);
        break;
      case guestFrames.stdinCredit:
        this.#takeStdinCredit(readCredit(frame.payload));
        break;
      case guestFrames.exited:
        this.#takeExit(readExitReply(frame.payload));
        break;
      case guestFrames.failed:
        this.fail(new BlixardError('GUEST_REFUSED', { problem: readRefusal(frame.payload) }));
        break;
      default:
        throw guestBroke(`frame type ${frame.type} on the stream of a command`);
    }
    this.#mayBeTaken = false;
  }

  /** Ends the stream with an error; what the guest had sent before is delivered first. */
  fail(error: BlixardError): void {
    this.#endWith(() => this.#reject?.(error));
  }

  /** Ends the stream with an error now; what waits for delivery is dropped. */
  cut(error: BlixardError): void {
    this.#queue.drop();
    this.#state = 'ended';
    this.#reject?.(error);
  }

  #take(payload: Buffer): void {
    if (!this.#mayBeTaken || payload.length > 0) throw guestBroke('a command taken that was not handed over');
    this.#byZygote = true;
  }

  #takeOutput(stream: LogStream, data: Buffer): void {
    if (data.length === 0) throw guestBroke('an empty frame of output');
    this.#windowBytes -= data.length;
    if (this.#windowBytes < 0) throw guestBroke(`output of ${-this.#windowBytes} bytes beyond its credit`);
    if (this.#state === 'abandoned') this.#giveBack(data.length);
    else this.#queue.push(stream, data);
  }

  #giveBack(bytes: number): void {
    this.#owedBytes += bytes;
    if (this.#owedBytes < creditStepBytes || this.#state === 'ended') return;
    this.#send(this.#frames(hostFrames.credit, uint32(this.#owedBytes)));
    this.#windowBytes += this.#owedBytes;
    this.#owedBytes = 0;
  }

  #takeStdinCredit(bytes: number): void {
    this.#stdinCreditBytes += bytes;
    if (this.#stdinCreditBytes > stdinCreditBytes) throw guestBroke('credit for stdin it was not sent');
    if (this.#stdin.length > 0) this.#sendStdin();
  }

  /** Sends what the credit allows, and the end of stdin behind its last byte. */
  #sendStdin(): void {
    const now = this.#stdin.subarray(0, this.#stdinCreditBytes);
    this.#stdin = this.#stdin.subarray(now.length);
    this.#stdinCreditBytes -= now.length;
    const end = this.#stdin.length === 0 ? this.#frames(hostFrames.stdinEnd) : [];
    this.#send([...(now.length > 0 ? this.#frames(hostFrames.stdin, now) : []), ...end]);
  }

  #takeExit(reply: ExitReply): void {
    this.#tell?.(reply);
    this.#endWith(() => this.#resolve?.(reply));
  }

  #endWith(settle: () => void): void {
    this.#state = 'ended';
    void this.#queue.finished().then(settle);
  }

  /** The reader of the output failed: nobody wants the command any more, but the guest still has to end it. */
  #abandon(error: BlixardError): void {
    this.signal(constants.signals.SIGKILL);
    if (this.#state === 'open') this.#state = 'abandoned';
    this.#reject?.(error);
  }

  /** The payload in as many frames as it takes; one when it is empty. */
  #frames(type: number, payload: Uint8Array = new Uint8Array()): Buffer[] {
    const frames: Buffer[] = [];
    let at = 0;
    do {
      frames.push(encodeFrame(type, this.#streamId, payload.subarray(at, at + limits.frameBytes)));
      at += limits.frameBytes;
    } while (at < payload.length);
    return frames;
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
