/**
 * Frames between host and guest agent, both ways on one byte stream (DESIGN §9):
 * `u32 payload length | u8 type | u32 stream id | payload`, little-endian. The host asks, the guest only answers.
 * `guest/protocol.h` states the same numbers for the agent; a test compares the two.
 *
 * Stream 0 is for hello and ping; each command has its own, and a session never takes a lower one after a higher.
 * A frame about a stream that has ended may have crossed its end on the way: the agent ignores it. A stream of output
 * starts with `limits.streamCreditBytes` of credit. A hello ends what an earlier session left.
 */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

export const guestProtocolVersion = 3;
export const frameHeaderBytes = 9;

/** Host to guest. */
export const hostFrames = {
  /** JSON `{version, token}`; answered by `helloReply` with the same token. */
  hello: 0x01,
  /** At most 64 bytes; answered by `pong`. */
  ping: 0x02,
  /** A part of an exec spec, see `encodeExecSpec`; parts of one stream id are joined. */
  execPart: 0x03,
  /**
   * Runs the joined spec, by an interpreter that was started to rehearse it if there is one. Answered by `exited`, or
   * by `failed` when it could not be tried.
   */
  exec: 0x04,
  stdin: 0x05,
  stdinEnd: 0x06,
  /** u32 signal number, to the process group of the stream's command. */
  signal: 0x07,
  /** u32 bytes more the guest may send on this stream, stdout and stderr together. */
  credit: 0x08,
  powerOff: 0x09,
  /**
   * Runs the joined spec as a task of the agent itself, on a stream as `exec` does; argv is one of `guestTasks`. Its
   * folder is `cwd` and its user `uid`.
   */
  task: 0x10,
  /** As `exec`, for the command of a job: no zygote is left then. */
  run: 0x11,
  /** As `run`, but a zygote that is its program and takes it becomes the command: then `taken` comes first. */
  handOver: 0x12,
  /** See `encodeIdentity`. Answered by `resumed`, or by `failed`: then the guest is not fit for use. Stream 0. */
  resume: 0x18,
  /** Notes how the kernel is set, before the first command: `reset` compares with it. Answered as that. Stream 0. */
  note: 0x19,
  /**
   * Makes the guest as good as new after a command, when no stream is open: no process, no file, no name space is left.
   * Answered by `done`, or by `failed`: then the guest is not fit for use. It wants a `resume` next. Stream 0.
   */
  reset: 0x1a,
} as const;

/** Guest to host. */
export const guestFrames = {
  /** JSON `HelloReply`. */
  helloReply: 0x81,
  /** u64 time stamp counter of the guest, then the bytes of the ping. */
  pong: 0x82,
  stdout: 0x83,
  stderr: 0x84,
  /** JSON `ExitReply`, after the last byte of output. Ends the stream. */
  exited: 0x85,
  /** UTF-8 text: the request of this stream id was refused. Ends the stream. */
  failed: 0x86,
  /** u32 bytes of stdin the command has taken: the host may send that much more. */
  stdinCredit: 0x87,
  /** A zygote has taken the command of this stream. */
  taken: 0x91,
  /** Time, entropy and names are those of the `resume`. */
  resumed: 0x98,
  /** What a `note` or a `reset` asked for. */
  done: 0x99,
} as const;

export interface HelloReply {
  readonly version: number;
  readonly token: string;
  readonly bootId: string;
  readonly kernel: string;
  readonly uptimeMs: number;
  readonly timeMs: number;
  readonly memoryKiB: number;
}

export interface ExitReply {
  /** Exit code, or -1 when a signal ended it. */
  readonly code: number;
  /** Signal number, or 0. */
  readonly signal: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly maxRssKiB: number;
  /** The guest kernel's out-of-memory killer struck while it ran. */
  readonly oom: boolean;
  /** It failed, and there is no room left where commands write. Left out by agents that do not look. */
  readonly diskFull?: boolean;
}

export interface ExecSpec {
  readonly argv: readonly string[];
  /** `NAME=value` entries. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
}

/** What stands in argv of a task. */
export const guestTasks = {
  /**
   * Makes `cwd`, the run directory of a command, before the next frame is handled; then prints what is written to the
   * `progress` in it, until any signal.
   */
  watch: () => ['watch'],
  /**
   * Limits what commands started after it may write, wherever, and how many processes they may be; 0: as much as the
   * guest has. Exit 28: the guest cannot hold that much, and what they write is limited to what it can hold.
   */
  limits: (diskBytes: number, pids: number) => ['limits', String(diskBytes), String(pids)],
  /** Writes standard input into the file `name` below `cwd`, from `offset` on; exit 28: the disk is full. */
  put: (offset: number, name: string) => ['put', String(offset), name],
  /** Prints `result.json`, all in `artifacts`, and the files and folders named, as `BundleReader` reads them. */
  collect: (paths: readonly string[]) => [
    'collect',
    String(limits.resultBytes),
    String(limits.artifactBytes),
    String(limits.artifactsMax),
    ...paths,
  ],
  /** Starts an interpreter that waits for the command of a job; ends with 0 when it is ready. */
  zygote: (argv: readonly string[]) => ['zygote', ...argv],
  /** As `zygote`, for the next `exec` of that program. */
  rehearsal: (argv: readonly string[]) => ['rehearsal', ...argv],
} as const;

/** What makes a guest one of its own: all that the clones of a template would otherwise have in common. */
export interface GuestIdentity {
  /** Epoch ms. */
  readonly nowMs: number;
  /** `guestEntropyBytes` of them. */
  readonly entropy: Uint8Array;
  readonly hostName: string;
  /** 32 hex digits. */
  readonly machineId: string;
  /** UUID. */
  readonly bootId: string;
}

/** Bytes of entropy in a `resume`, all of which the guest's kernel is told to trust. */
export const guestEntropyBytes = 64;
/** Longest name of a host that Linux takes. */
export const hostNameLength = 64;

/** Most bytes of one encoded exec spec; the job spec limit is below it. */
export const execSpecBytesMax = 512 * 1024;
/** Stdin bytes the host may send before the first `stdinCredit`. */
export const stdinCreditBytes = 256 * 1024;

export interface Frame {
  readonly type: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const empty = Buffer.alloc(0);

export function encodeFrame(type: number, streamId: number, payload: Uint8Array = empty): Buffer {
  if (payload.length > limits.frameBytes) {
    throw new BlixardError('GUEST_PROTOCOL', { problem: `a frame of ${payload.length} bytes` });
  }
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt8(type, 4);
  frame.writeUInt32LE(streamId, 5);
  frame.set(payload, frameHeaderBytes);
  return frame;
}

/** `u32 uid | u32 argc | u32 envc | cwd NUL | argv… NUL each | env… NUL each` */
export function encodeExecSpec(spec: ExecSpec): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(spec.uid, 0);
  head.writeUInt32LE(spec.argv.length, 4);
  head.writeUInt32LE(spec.env.length, 8);
  const strings = [spec.cwd, ...spec.argv, ...spec.env];
  if (strings.some((text) => text.includes('\0'))) {
    throw new BlixardError('GUEST_REFUSED', { problem: 'a NUL byte in command, env or cwd' });
  }
  return Buffer.concat([head, Buffer.from(`${strings.join('\0')}\0`)]);
}

/** `u64 epoch ns | entropy | host name NUL | machine id NUL | boot id NUL` */
export function encodeIdentity(identity: GuestIdentity): Buffer {
  const { nowMs, entropy, hostName, machineId, bootId } = identity;
  const names = [hostName, machineId, bootId];
  const fits = hostName.length <= hostNameLength && /^[0-9a-f]{32}$/.test(machineId) && bootId.length === 36;
  if (!fits || entropy.length !== guestEntropyBytes || !names.every((name) => /^[a-z0-9-]+$/.test(name))) {
    throw new BlixardError('GUEST_PROTOCOL', { problem: 'an identity that no guest can take' });
  }
  const time = Buffer.alloc(8);
  time.writeBigUInt64LE(BigInt(Math.round(nowMs * 1_000)) * 1_000n);
  return Buffer.concat([time, entropy, Buffer.from(`${names.join('\0')}\0`)]);
}

/** Cuts a byte stream into frames. Bounded: a longer frame than the limit throws GUEST_PROTOCOL. */
export class FrameDecoder {
  #pending: Buffer = empty;

  push(chunk: Buffer): Frame[] {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    while (bytes.length >= frameHeaderBytes) {
      const length = bytes.readUInt32LE(0);
      if (length > limits.frameBytes) {
        throw new BlixardError('GUEST_PROTOCOL', { problem: `a frame of ${length} bytes` });
      }
      const end = frameHeaderBytes + length;
      if (bytes.length < end) break;
      frames.push({
        type: bytes.readUInt8(4),
        streamId: bytes.readUInt32LE(5),
        payload: bytes.subarray(frameHeaderBytes, end),
      });
      bytes = bytes.subarray(end);
    }
    this.#pending = bytes;
    return frames;
  }
}
