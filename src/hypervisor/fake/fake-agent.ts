/** The guest agent of a fake VM: in this process, but speaking the real frames. */
import type { Duplex } from 'node:stream';
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  guestFrames,
  guestProtocolVersion,
  type HelloReply,
  hostFrames,
} from '../../contract/guest.ts';
import { problemOf } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import { decodeExecSpec, decodeIdentity } from './exec-spec.ts';
import { type FakeCommands, fakeCommands } from './fake-commands.ts';
import { FakeExec, type GuestControl } from './fake-exec.ts';
import { FakeFiles } from './fake-files.ts';
import type { FakeGuest } from './fake-guest.ts';
import { FakeLimits } from './fake-limits.ts';
import { fakeTasks } from './fake-tasks.ts';

export interface FakeAgentDeps {
  /** The guest's end of the channel. */
  readonly channel: Duplex;
  readonly clock: Clock;
  readonly vm: GuestControl;
  readonly guest: FakeGuest;
  readonly facts: Pick<HelloReply, 'kernel' | 'memoryKiB'>;
  /** Rate of the guest's time stamp counter. */
  readonly tscKhz: number;
}

export class FakeAgent {
  readonly #deps: FakeAgentDeps;
  readonly #decoder = new FrameDecoder();
  readonly #parts = new Map<number, Buffer[]>();
  readonly #execs = new Map<number, FakeExec>();
  readonly #files = new FakeFiles();
  readonly #limits = new FakeLimits();
  readonly #bootedAtMs: number;
  readonly #verbs: ReadonlyMap<number, (frame: Frame) => void>;

  /** Answers from now on; what the host has sent before is read first. */
  constructor(deps: FakeAgentDeps) {
    this.#deps = deps;
    this.#bootedAtMs = deps.clock.monotonicMs();
    this.#verbs = new Map<number, (frame: Frame) => void>([
      [hostFrames.hello, (frame) => this.#hello(frame)],
      [hostFrames.ping, (frame) => this.#ping(frame)],
      [hostFrames.execPart, (frame) => this.#addPart(frame)],
      [hostFrames.exec, (frame) => this.#exec(frame, fakeCommands)],
      [hostFrames.run, (frame) => this.#exec(frame, fakeCommands)],
      [hostFrames.handOver, (frame) => this.#exec(frame, fakeCommands, true)],
      [hostFrames.task, (frame) => this.#exec(frame, fakeTasks)],
      [hostFrames.stdin, (frame) => this.#execs.get(frame.streamId)?.giveStdin(frame.payload)],
      [hostFrames.stdinEnd, (frame) => this.#execs.get(frame.streamId)?.endStdin()],
      [hostFrames.signal, (frame) => this.#execs.get(frame.streamId)?.signal(frame.payload.readUInt32LE(0))],
      [hostFrames.credit, (frame) => this.#execs.get(frame.streamId)?.grant(frame.payload.readUInt32LE(0))],
      [hostFrames.resume, (frame) => this.#resume(frame)],
      [hostFrames.note, (frame) => this.#note(frame)],
      [hostFrames.reset, (frame) => this.#reset(frame)],
      [hostFrames.powerOff, () => deps.vm.powerOff()],
    ]);
    deps.channel.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#verbs.get(frame.type)?.(frame);
    } catch (error) {
      this.#deps.vm.crash(`agent: ${problemOf(error)}`);
    }
  }

  #hello({ streamId, payload }: Frame): void {
    const { token } = JSON.parse(payload.toString()) as { token: string };
    const { clock, facts, guest } = this.#deps;
    const reply: HelloReply = {
      ...facts,
      bootId: guest.bootId,
      version: guestProtocolVersion,
      token,
      uptimeMs: Math.round(clock.monotonicMs() - this.#bootedAtMs),
      timeMs: guest.nowMs(),
    };
    this.#send(guestFrames.helloReply, streamId, Buffer.from(JSON.stringify(reply)));
  }

  #ping({ streamId, payload }: Frame): void {
    const tsc = Buffer.alloc(8);
    tsc.writeBigUInt64LE(BigInt(Math.round(this.#deps.clock.monotonicMs() * this.#deps.tscKhz)));
    this.#send(guestFrames.pong, streamId, Buffer.concat([tsc, payload]));
  }

  #resume({ streamId, payload }: Frame): void {
    this.#deps.guest.become(decodeIdentity(payload));
    this.#send(guestFrames.resumed, streamId, Buffer.alloc(0));
  }

  #note({ streamId }: Frame): void {
    this.#deps.guest.noteState();
    this.#send(guestFrames.done, streamId, Buffer.alloc(0));
  }

  /** As `guest/reset.c`: commands still under way are not ended by it, a guest that was changed is not reset. */
  #reset({ streamId }: Frame): void {
    const problem = this.#execs.size > 0 ? 'a command is under way' : this.#deps.guest.reset();
    if (problem === undefined) this.#files.clear();
    const type = problem === undefined ? guestFrames.done : guestFrames.failed;
    this.#send(type, streamId, Buffer.from(problem ?? ''));
  }

  #addPart({ streamId, payload }: Frame): void {
    this.#parts.set(streamId, [...(this.#parts.get(streamId) ?? []), payload]);
  }

  #exec({ streamId }: Frame, commands: FakeCommands, mayBeTaken = false): void {
    const spec = decodeExecSpec(Buffer.concat(this.#parts.get(streamId) ?? []));
    this.#parts.delete(streamId);
    if (mayBeTaken && this.#deps.guest.noted('zygote') === spec.argv[0])
      this.#send(guestFrames.taken, streamId, Buffer.alloc(0));
    const exec = new FakeExec({
      ...{ spec, commands, files: this.#files, limits: this.#limits, guest: this.#deps.guest },
      ...{ clock: this.#deps.clock, vm: this.#deps.vm },
      send: (type, payload) => this.#send(type, streamId, payload),
      sendRaw: (bytes) => this.#deps.channel.write(bytes),
    });
    this.#execs.set(streamId, exec);
    exec
      .run()
      .catch((error) => this.#deps.vm.crash(`agent: ${problemOf(error)}`))
      .finally(() => this.#execs.delete(streamId));
  }

  #send(type: number, streamId: number, payload: Buffer): void {
    const { channel } = this.#deps;
    if (channel.writable) channel.write(encodeFrame(type, streamId, payload));
  }
}
