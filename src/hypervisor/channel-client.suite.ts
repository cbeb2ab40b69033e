/** The smallest host side of the guest protocol: enough to see whether a driver's channel works. */
import type { Duplex } from 'node:stream';
import {
  type ExitReply,
  encodeExecSpec,
  encodeFrame,
  type Frame,
  FrameDecoder,
  guestFrames,
  guestProtocolVersion,
  type HelloReply,
  hostFrames,
} from '../contract/guest.ts';
import { limits } from '../domain/limits.ts';

/** A finished command: its exit frame and all it wrote. */
export interface Ran extends ExitReply {
  readonly stdout: string;
  readonly stderr: string;
}

const testToken = 'conformance';

export class ChannelClient {
  readonly #channel: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];
  #wake: () => void = () => undefined;
  #failure: unknown;
  #nextStream = 1;
  #inFlight = 0;
  /** Most bytes of output that came without a grant in between. */
  mostInFlight = 0;

  constructor(channel: Duplex) {
    this.#channel = channel;
    channel.on('data', (chunk: Buffer) => this.#receive(chunk));
    for (const event of ['end', 'close']) channel.on(event, () => this.#end(new Error('the channel ended')));
  }

  async hello(): Promise<HelloReply> {
    const streamId = this.#send(
      hostFrames.hello,
      JSON.stringify({ version: guestProtocolVersion, token: testToken }),
    );
    const { payload } = await this.#next(streamId, [guestFrames.helloReply]);
    return JSON.parse(payload.toString()) as HelloReply;
  }

  /** The guest's time stamp counter. */
  async ping(): Promise<bigint> {
    const { payload } = await this.#next(this.#send(hostFrames.ping, 'ping'), [guestFrames.pong]);
    return payload.readBigUInt64LE(0);
  }

  /** Starts a command; resolves when it has ended. */
  async exec(argv: readonly string[]): Promise<Ran> {
    const spec = { argv, env: ['PATH=/usr/bin:/bin'], cwd: '/', uid: 0 };
    const streamId = this.#send(hostFrames.execPart, encodeExecSpec(spec));
    this.#channel.write(encodeFrame(hostFrames.exec, streamId));
    this.#channel.write(encodeFrame(hostFrames.stdinEnd, streamId));
    const written = { [guestFrames.stdout]: '', [guestFrames.stderr]: '' };
    for (;;) {
      const { type, payload } = await this.#next(streamId, Object.values(guestFrames));
      if (type === guestFrames.failed) throw new Error(payload.toString());
      if (type === guestFrames.exited) {
        const exit = JSON.parse(payload.toString()) as ExitReply;
        return { ...exit, stdout: written[guestFrames.stdout], stderr: written[guestFrames.stderr] };
      }
      if (type === guestFrames.stdout || type === guestFrames.stderr) {
        written[type] += payload.toString();
        this.#grant(streamId, payload.length);
      }
    }
  }

  /** What is asked between commands; the words of a refusal, if it is refused. */
  async between(verb: 'note' | 'reset'): Promise<string | undefined> {
    const answers = [guestFrames.done, guestFrames.failed];
    const { type, payload } = await this.#next(this.#send(hostFrames[verb], ''), answers);
    return type === guestFrames.done ? undefined : payload.toString();
  }

  powerOff(): void {
    this.#send(hostFrames.powerOff, '');
  }

  /** Grants late, so that a guest that sends more than it may is seen. */
  #grant(streamId: number, bytes: number): void {
    this.#inFlight += bytes;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    if (this.#inFlight < limits.streamCreditBytes) return;
    const credit = Buffer.alloc(4);
    credit.writeUInt32LE(this.#inFlight);
    this.#inFlight = 0;
    this.#channel.write(encodeFrame(hostFrames.credit, streamId, credit));
  }

  #send(type: number, payload: string | Buffer): number {
    const streamId = this.#nextStream++;
    this.#channel.write(encodeFrame(type, streamId, Buffer.from(payload)));
    return streamId;
  }

  async #next(streamId: number, types: readonly number[]): Promise<Frame> {
    for (;;) {
      const at = this.#frames.findIndex((frame) => frame.streamId === streamId && types.includes(frame.type));
      const [frame] = at < 0 ? [] : this.#frames.splice(at, 1);
      if (frame !== undefined) return frame;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        const before = this.#wake;
        this.#wake = () => {
          before();
          resolve();
        };
      });
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#frames.push(...this.#decoder.push(chunk));
      this.#wake();
    } catch (error) {
      this.#end(error);
    }
  }

  #end(failure: unknown): void {
    this.#failure ??= failure;
    this.#wake();
  }
}
