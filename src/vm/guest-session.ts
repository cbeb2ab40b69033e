/**
 * The host's side of the guest protocol: asks the agent and checks every answer. The guest may be hostile: the first
 * frame that it must not send ends the channel and rejects all that waits.
 */
import type { Duplex } from 'node:stream';
import {
  type ExecSpec,
  encodeFrame,
  encodeIdentity,
  type Frame,
  FrameDecoder,
  type GuestIdentity,
  guestFrames,
  guestProtocolVersion,
  type HelloReply,
  hostFrames,
} from '../contract/guest.ts';
import { asBlixardError, BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { ExecStream, type GuestCommand, type GuestExec, type StartVerb } from './guest-exec.ts';
import type { GuestOutput } from './guest-output.ts';
import { Pending } from './guest-pending.ts';
import { type Asked, GuestQuestion } from './guest-question.ts';
import { guestBroke, readHelloReply, readRefusal } from './guest-replies.ts';

export type { GuestCommand, GuestExec } from './guest-exec.ts';
export type { GuestOutput } from './guest-output.ts';

/** The stream id of what is not about a command. */
const controlStreamId = 0;
/** How long a closed channel may take to bring what the guest had sent before. */
const closeGraceMs = 1_000;
const pingBytes = 8;
/** What a pong has in front of the bytes of its ping. */
const tscBytes = 8;

/** One look at the guest's time stamp counter. */
export interface Pong {
  readonly tsc: bigint;
  readonly roundTripMs: number;
  /** Monotonic, middle of the round trip. */
  readonly atMs: number;
}

/** What goes in and comes out of a command. */
export interface GuestIo {
  readonly stdin: Uint8Array;
  readonly output: GuestOutput;
}

interface PendingPing {
  readonly payload: Buffer;
  readonly sentMs: number;
  readonly pong: Pending<Pong>;
}

/** The session with one guest, from hello to the end of the channel. */
export class GuestSession {
  /** Resolves when the channel is over; with the error if the guest broke the protocol. */
  readonly closed: Promise<BlixardError | undefined>;
  readonly #channel: Duplex;
  readonly #clock: Clock;
  readonly #token: string;
  readonly #decoder = new FrameDecoder();
  readonly #execs = new Map<number, ExecStream>();
  #pings: PendingPing[] = [];
  #hello: Pending<HelloReply> | undefined;
  readonly #question: GuestQuestion;
  #lastStreamId = controlStreamId;
  #lastPing = 0n;
  #closing: Timer | undefined;
  #over: BlixardError | undefined;
  #resolveClosed: ((error: BlixardError | undefined) => void) | undefined;

  /** `token` has only letters, digits, dot, dash and underline; the guest must say it back. */
  constructor(deps: { channel: Duplex; clock: Clock; token: string }) {
    this.#channel = deps.channel;
    this.#clock = deps.clock;
    this.#token = deps.token;
    this.#question = new GuestQuestion(deps.clock);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#channel.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#channel.on('error', (error) => this.#end(error));
    this.#channel.on('end', () => this.#end());
    this.#channel.on('close', () => this.#end());
  }

  /**
   * Greets the agent; it may still be booting. Rejects with VM_BOOT_FAILED when it does not answer in time or speaks
   * another version, GUEST_PROTOCOL when its answer is wrong. Commands of an earlier session end by it.
   */
  async hello(timeoutMs: number): Promise<HelloReply> {
    const failed = (problem: string) => new BlixardError('VM_BOOT_FAILED', { problem });
    if (this.#over !== undefined) throw failed('its channel is over');
    const late = () => failed(`its agent did not answer within ${formatDurationMs(timeoutMs)}`);
    this.#hello = new Pending({ clock: this.#clock, timeoutMs, late });
    const words = JSON.stringify({ version: guestProtocolVersion, token: this.#token });
    this.#send([encodeFrame(hostFrames.hello, controlStreamId, Buffer.from(words))]);
    const reply = await this.#hello.answer;
    if (reply.version === guestProtocolVersion) return reply;
    throw failed(
      `its agent speaks version ${reply.version}, this host ${guestProtocolVersion}: rebuild the image`,
    );
  }

  /** Makes the guest one of its own. Rejects with VM_BOOT_FAILED when it does not take it, or not in time. */
  async resume(identity: GuestIdentity, timeoutMs: number): Promise<void> {
    const frame = encodeFrame(hostFrames.resume, controlStreamId, encodeIdentity(identity));
    const lateProblem = `its agent did not take its identity within ${formatDurationMs(timeoutMs)}`;
    const asked = { words: 'a resume', answer: guestFrames.resumed, failure: 'VM_BOOT_FAILED' } as const;
    await this.#ask({ ...asked, lateProblem, timeoutMs }, frame);
  }

  /** Has a guest note how it is before its first command. Rejects with VM_CRASHED when it cannot. */
  async note(timeoutMs: number): Promise<void> {
    await this.#askDone('note', timeoutMs);
  }

  /** Takes all away that commands have left. Rejects with VM_CRASHED: the guest is of no more use then. */
  async reset(timeoutMs: number): Promise<void> {
    await this.#askDone('reset', timeoutMs);
  }

  /** One round trip. Rejects with VM_CRASHED when no answer comes in time; the session goes on all the same. */
  async ping(timeoutMs: number): Promise<Pong> {
    if (this.#over !== undefined) throw this.#over;
    const late = () =>
      new BlixardError('VM_CRASHED', {
        problem: `its agent did not answer a ping within ${formatDurationMs(timeoutMs)}`,
      });
    if (this.#pings.length >= limits.pingsInFlight) throw late();
    const payload = Buffer.alloc(pingBytes);
    payload.writeBigUInt64LE(++this.#lastPing);
    const pong = new Pending<Pong>({ clock: this.#clock, timeoutMs, late });
    this.#pings.push({ payload, sentMs: this.#clock.monotonicMs(), pong });
    this.#send([encodeFrame(hostFrames.ping, controlStreamId, payload)]);
    return await pong.answer;
  }

  /** Starts a command; `stdin` is sent as the command takes it, and then ends. */
  exec(spec: ExecSpec, io: GuestIo): GuestExec {
    return this.#start(spec, io, hostFrames.exec);
  }

  /** Starts the command of a job as `exec` does, or by a zygote that takes it; no other zygote is left then. */
  run(spec: ExecSpec, io: GuestIo, mayBeByZygote: boolean): GuestCommand {
    return this.#start(spec, io, mayBeByZygote ? hostFrames.handOver : hostFrames.run);
  }

  /** Starts a task of the agent itself, see `guestTasks`; otherwise as `exec`. */
  task(spec: ExecSpec, io: GuestIo): GuestExec {
    return this.#start(spec, io, hostFrames.task);
  }

  async #askDone(verb: 'note' | 'reset', timeoutMs: number): Promise<void> {
    const lateProblem = `its agent did not answer a ${verb} within ${formatDurationMs(timeoutMs)}`;
    const asked = { words: `a ${verb}`, answer: guestFrames.done, failure: 'VM_CRASHED' } as const;
    await this.#ask({ ...asked, lateProblem, timeoutMs }, encodeFrame(hostFrames[verb], controlStreamId));
  }

  #ask(asked: Asked, frame: Buffer): Promise<void> {
    return this.#question.ask(asked, this.#over !== undefined, () => this.#send([frame]));
  }

  #start(spec: ExecSpec, io: GuestIo, verb: StartVerb): GuestCommand {
    const streamId = ++this.#lastStreamId;
    const stream = new ExecStream({ ...io, streamId, send: (frames) => this.#send(frames) });
    try {
      if (this.#over !== undefined) throw this.#over;
      this.#execs.set(streamId, stream);
      stream.start(spec, verb);
    } catch (error) {
      this.#execs.delete(streamId);
      stream.cut(asBlixardError(error));
    }
    return stream;
  }

  /** Asks the guest to power off; the end of the channel tells that it has. */
  powerOff(): void {
    this.#send([encodeFrame(hostFrames.powerOff, controlStreamId)]);
  }

  /** Hangs up. What the guest had sent before is still delivered; what waits for more rejects. */
  close(): void {
    if (this.#over !== undefined || this.#closing !== undefined) return;
    this.#closing = this.#clock.after(closeGraceMs, () => this.#channel.destroy());
    this.#channel.end();
  }

  /** Hangs up on a guest that is of no more use: what waits for it rejects with the error. */
  giveUp(error: BlixardError): void {
    this.#conclude(error, error, error);
  }

  #send(frames: readonly Buffer[]): void {
    if (this.#over !== undefined || this.#closing !== undefined || frames.length === 0) return;
    this.#channel.write(Buffer.concat(frames));
  }

  #receive(chunk: Buffer): void {
    if (this.#over !== undefined) return;
    try {
      for (const frame of this.#decoder.push(chunk)) this.#accept(frame);
    } catch (error) {
      this.#breakOff(asBlixardError(error));
    }
  }

  #accept(frame: Frame): void {
    if (frame.streamId !== controlStreamId) this.#acceptOfCommand(frame);
    else if (frame.type === guestFrames.pong) this.#acceptPong(frame.payload);
    else if (this.#hello === undefined && this.#question.isOpen) this.#question.accept(frame);
    else this.#acceptAnswerToHello(frame);
  }

  #acceptOfCommand(frame: Frame): void {
    const stream = this.#execs.get(frame.streamId);
    if (stream === undefined)
      throw guestBroke(`frame type ${frame.type} on unknown stream ${frame.streamId}`);
    stream.accept(frame);
    if (stream.ended) this.#execs.delete(frame.streamId);
  }

  #acceptAnswerToHello(frame: Frame): void {
    const hello = this.#hello;
    if (hello !== undefined && frame.type === guestFrames.failed) {
      hello.reject(new BlixardError('VM_BOOT_FAILED', { problem: readRefusal(frame.payload) }));
    } else if (hello !== undefined && frame.type === guestFrames.helloReply) {
      const reply = readHelloReply(frame.payload);
      if (reply.token !== this.#token) throw guestBroke('a hello reply with another token');
      hello.resolve(reply);
    } else {
      throw guestBroke(`frame type ${frame.type} that nothing asked for`);
    }
    this.#hello = undefined;
  }

  #acceptPong(payload: Buffer): void {
    const ping = this.#pings[0];
    if (ping === undefined || !payload.subarray(tscBytes).equals(ping.payload)) {
      throw guestBroke('a pong that no ping asked for');
    }
    this.#pings.shift();
    const roundTripMs = this.#clock.monotonicMs() - ping.sentMs;
    ping.pong.resolve({
      tsc: payload.readBigUInt64LE(),
      roundTripMs,
      atMs: ping.sentMs + roundTripMs / 2,
    });
  }

  #breakOff(error: BlixardError): void {
    this.#over = error;
    this.#settle(error, error);
    for (const stream of this.#execs.values()) stream.cut(error);
    this.#execs.clear();
    this.#channel.destroy();
    this.#resolveClosed?.(error);
  }

  #end(cause?: Error): void {
    const problem = 'its channel ended';
    const crashed = new BlixardError('VM_CRASHED', { problem }, { cause });
    this.#conclude(crashed, new BlixardError('VM_BOOT_FAILED', { problem }, { cause }), undefined);
  }

  /** What the guest had sent before is still delivered. */
  #conclude(over: BlixardError, helloError: BlixardError, closedWith: BlixardError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = over;
    this.#settle(helloError, over);
    for (const stream of this.#execs.values()) stream.fail(over);
    this.#execs.clear();
    this.#channel.destroy();
    this.#resolveClosed?.(closedWith);
  }

  /** Ends all that waits beside the commands. */
  #settle(helloError: BlixardError, pingError: BlixardError): void {
    this.#closing?.cancel();
    this.#hello?.reject(helloError);
    this.#question.fail(helloError);
    for (const { pong } of this.#pings) pong.reject(pingError);
    this.#pings = [];
  }
}
