/** A session with a guest that lies, keeps silent or talks nonsense: always one clear error, never a hang. */
import { type Duplex, duplexPair } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  FrameDecoder,
  guestFrames,
  guestProtocolVersion,
  hostFrames,
  stdinCreditBytes,
} from '../contract/guest.ts';
import { isBlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { FakeClock } from '../platform/clock.ts';
import { GuestSession } from './guest-session.ts';

const spec = { argv: ['x'], env: [], cwd: '/', uid: 0 };
const nothing = new Uint8Array();
const discard = async (): Promise<void> => undefined;
const exitReply = { code: 0, signal: 0, wallMs: 1, cpuMs: 1, maxRssKiB: 1, oom: false };
const helloReply = {
  version: guestProtocolVersion,
  token: 't',
  bootId: 'b',
  kernel: 'k',
  uptimeMs: 1,
  timeMs: 1,
  memoryKiB: 1,
};

/** A session, and the guest's end of its channel. */
function open() {
  const [channel, guest] = duplexPair();
  const clock = new FakeClock();
  const session = new GuestSession({ channel, clock, token: 't' });
  return { session, guest, channel, clock };
}

function say(guest: Duplex, type: number, streamId: number, payload: unknown = ''): void {
  const bytes =
    payload instanceof Uint8Array
      ? payload
      : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  guest.write(encodeFrame(type, streamId, bytes));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** The types of the frames the host has sent, as they arrive at the guest. */
function listen(guest: Duplex): { type: number; streamId: number; payload: Buffer }[] {
  const frames: { type: number; streamId: number; payload: Buffer }[] = [];
  const decoder = new FrameDecoder();
  guest.on('data', (chunk: Buffer) => frames.push(...decoder.push(chunk)));
  return frames;
}

const lies: [string, (guest: Duplex) => void][] = [
  ['an unknown frame type', (guest) => say(guest, 0x42, 1)],
  ['a frame of the host', (guest) => say(guest, hostFrames.exec, 1)],
  ['output of an unknown stream', (guest) => say(guest, guestFrames.stdout, 9, 'x')],
  ['empty output', (guest) => say(guest, guestFrames.stderr, 1)],
  ['an exit that is not JSON', (guest) => say(guest, guestFrames.exited, 1, '{"code":')],
  ['an exit that is not an object', (guest) => say(guest, guestFrames.exited, 1, 'null')],
  ['an exit with a field missing', (guest) => say(guest, guestFrames.exited, 1, { code: 0, signal: 0 })],
  ['an exit with a field more', (guest) => say(guest, guestFrames.exited, 1, { ...exitReply, more: 1 })],
  ['an exit code of 256', (guest) => say(guest, guestFrames.exited, 1, { ...exitReply, code: 256 })],
  ['code and signal both', (guest) => say(guest, guestFrames.exited, 1, { ...exitReply, signal: 9 })],
  ['code -1 without a signal', (guest) => say(guest, guestFrames.exited, 1, { ...exitReply, code: -1 })],
  ['a negative time', (guest) => say(guest, guestFrames.exited, 1, { ...exitReply, wallMs: -1 })],
  [
    'a hello reply with another token',
    (guest) => say(guest, guestFrames.helloReply, 0, { ...helloReply, token: 'u' }),
  ],
  ['a hello reply of the wrong shape', (guest) => say(guest, guestFrames.helloReply, 0, { version: 1 })],
  ['a pong of other bytes', (guest) => say(guest, guestFrames.pong, 0, Buffer.alloc(16, 7))],
  ['a pong without a counter', (guest) => say(guest, guestFrames.pong, 0, Buffer.alloc(7))],
  ['credit for stdin that was not sent', (guest) => say(guest, guestFrames.stdinCredit, 1, uint32(1))],
  [
    'a credit of nothing, which could be said without end',
    (guest) => say(guest, guestFrames.stdinCredit, 1, uint32(0)),
  ],
  ['a command taken that was not handed over', (guest) => say(guest, guestFrames.taken, 1)],
  ['a credit of three bytes', (guest) => say(guest, guestFrames.stdinCredit, 1, Buffer.alloc(3))],
  ['a frame over the limit', (guest) => guest.write(Buffer.from('\x01\x00\x01\x00\x83\x01\0\0\0', 'latin1'))],
  [
    'two exits',
    (guest) => {
      say(guest, guestFrames.exited, 1, exitReply);
      say(guest, guestFrames.exited, 1, exitReply);
    },
  ],
  [
    'output beyond its credit',
    (guest) => {
      for (let sent = 0; sent <= limits.streamCreditBytes; sent += limits.frameBytes) {
        say(guest, guestFrames.stdout, 1, Buffer.alloc(limits.frameBytes));
      }
    },
  ],
];

describe('a guest that breaks the protocol', () => {
  it.each(lies)('by %s loses its channel, and all that waits is told', async (_name, lie) => {
    const { session, guest, channel, clock } = open();
    const stuck = new Promise<void>(() => undefined);
    const hello = session.hello(1_000);
    const ping = session.ping(1_000);
    const commands = [1, 2].map(() => session.exec(spec, { stdin: nothing, output: () => stuck }));
    const broken = { code: 'GUEST_PROTOCOL' };
    const told = Promise.allSettled([hello, ping, ...commands.map((command) => command.exited)]);
    lie(guest);
    expect(await session.closed).toMatchObject(broken);
    expect(channel.destroyed).toBe(true);
    const [helloEnd, pingEnd, first, second] = await told;
    for (const end of [helloEnd, pingEnd, second]) expect(end).toMatchObject({ reason: broken });
    if (_name !== 'two exits') expect(first).toMatchObject({ reason: broken });
    expect(clock.waiting).toBe(0);
    await expect(session.ping(1_000)).rejects.toMatchObject(broken);
    await expect(session.exec(spec, { stdin: nothing, output: discard }).exited).rejects.toMatchObject(
      broken,
    );
  });

  it('by answering what nobody asked loses its channel too', async () => {
    for (const type of [guestFrames.helloReply, guestFrames.pong, guestFrames.failed]) {
      const { session, guest } = open();
      say(guest, type, 0, helloReply);
      expect(await session.closed).toMatchObject({ code: 'GUEST_PROTOCOL' });
    }
  });
});

describe('a guest that keeps silent', () => {
  it('fails to boot, in time', async () => {
    const { session, clock } = open();
    const hello = session.hello(4_000);
    clock.advance(4_000);
    await expect(hello).rejects.toMatchObject({ code: 'VM_BOOT_FAILED' });
  });

  it('fails its pings, and may be late without harm', async () => {
    const { session, guest, clock } = open();
    const heard = listen(guest);
    const ping = session.ping(1_000);
    clock.advance(1_000);
    await expect(ping).rejects.toMatchObject({ code: 'VM_CRASHED' });
    await expect.poll(() => heard.length).toBe(1);
    say(guest, guestFrames.pong, 0, Buffer.concat([Buffer.alloc(8, 1), heard[0]?.payload ?? nothing]));
    const next = session.ping(1_000);
    await expect.poll(() => heard.length).toBe(2);
    clock.advance(20);
    say(guest, guestFrames.pong, 0, Buffer.concat([uint32(5), uint32(0), heard[1]?.payload ?? nothing]));
    expect(await next).toEqual({ tsc: 5n, roundTripMs: 20, atMs: clock.monotonicMs() - 10 });
  });

  it('puts no control characters into the words of a refusal', async () => {
    const { session, guest } = open();
    const exec = session.exec(spec, { stdin: nothing, output: discard });
    say(guest, guestFrames.failed, 1, 'no\x1b]0;title\x07\r\n\x9b2J\0way');
    const failure = await exec.exited.catch((error) => error);
    expect(failure.details).toEqual({ problem: 'no ]0;title 2J way' });
  });

  it('is not asked without end', async () => {
    const { session, clock } = open();
    const pings = Array.from({ length: limits.pingsInFlight + 1 }, () => session.ping(1_000));
    await expect(pings.at(-1)).rejects.toMatchObject({ code: 'VM_CRASHED' });
    session.close();
    clock.advance(1_000);
    const ends = await Promise.allSettled(pings);
    expect(new Set(ends.map((end) => end.status))).toEqual(new Set(['rejected']));
  });

  it('speaks another version: the error says which', async () => {
    const { session, guest } = open();
    const hello = session.hello(1_000);
    say(guest, guestFrames.helloReply, 0, { ...helloReply, version: 99 });
    await expect(hello).rejects.toThrow(`speaks version 99, this host ${guestProtocolVersion}`);
  });
});

describe('credit', () => {
  it('comes back in halves of the window, and only for what was delivered', async () => {
    const { session, guest } = open();
    const heard = listen(guest);
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    session.exec(spec, { stdin: nothing, output: () => gate });
    for (let sent = 0; sent < limits.streamCreditBytes; sent += limits.frameBytes) {
      say(guest, guestFrames.stdout, 1, Buffer.alloc(limits.frameBytes));
    }
    await expect.poll(() => heard.length).toBe(3);
    release();
    await expect.poll(() => heard.length).toBe(5);
    const credits = heard.slice(3).map((frame) => [frame.type, frame.payload.readUInt32LE()]);
    const half = [hostFrames.credit, limits.streamCreditBytes / 2];
    expect(credits).toEqual([half, half]);
  });

  it('bounds stdin: the rest is sent as the guest takes it', async () => {
    const { session, guest } = open();
    const heard = listen(guest);
    session.exec(spec, { stdin: Buffer.alloc(stdinCreditBytes + 10, 1), output: discard });
    const stdin = () => heard.filter((frame) => frame.type === hostFrames.stdin);
    const bytes = () => stdin().reduce((sum, frame) => sum + frame.payload.length, 0);
    await expect.poll(bytes).toBe(stdinCreditBytes);
    say(guest, guestFrames.stdinCredit, 1, uint32(4));
    await expect.poll(bytes).toBe(stdinCreditBytes + 4);
    expect(heard.at(-1)?.type).toBe(hostFrames.stdin);
    say(guest, guestFrames.stdinCredit, 1, uint32(100));
    await expect.poll(() => heard.at(-1)?.type).toBe(hostFrames.stdinEnd);
    expect(bytes()).toBe(stdinCreditBytes + 10);
  });
});

describe('hanging up', () => {
  it('delivers what the guest had sent, then rejects what waits', async () => {
    const { session, guest } = open();
    const seen: string[] = [];
    const exec = session.exec(spec, {
      stdin: nothing,
      output: async (stream, data) => {
        seen.push(`${stream} ${data}`);
      },
    });
    say(guest, guestFrames.stdout, 1, 'before');
    session.close();
    guest.end();
    await expect(exec.exited).rejects.toMatchObject({ code: 'VM_CRASHED' });
    expect(seen).toEqual(['stdout before']);
    expect(await session.closed).toBeUndefined();
  });

  it('does not wait for ever for a guest that does not', async () => {
    const { session, clock, channel } = open();
    session.close();
    clock.advance(1_000);
    expect(await session.closed).toBeUndefined();
    expect(channel.destroyed).toBe(true);
  });
});

const anyFrame = fc
  .record({
    type: fc.oneof(fc.constantFrom(...Object.values(guestFrames)), fc.integer({ min: 0, max: 255 })),
    streamId: fc.integer({ min: 0, max: 3 }),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom(exitReply, helloReply, {}).map((value) => Buffer.from(JSON.stringify(value))),
      fc.json().map((text) => Buffer.from(text)),
      fc.nat().map((n) => uint32(n % 1_000)),
    ),
  })
  .map(({ type, streamId, payload }) => encodeFrame(type, streamId, payload));
const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

describe('any bytes at all', () => {
  it('end in an answer, GUEST_PROTOCOL or VM_CRASHED, for everything that waits', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(anyFrame, anyFrame, anyBytes), { maxLength: 30 }),
        async (chunks) => {
          const { session, guest, clock } = open();
          const waiting: Promise<unknown>[] = [session.hello(1_000), session.ping(1_000)];
          for (let i = 0; i < 2; i++) {
            waiting.push(session.exec(spec, { stdin: Buffer.alloc(10), output: discard }).exited);
          }
          const told = Promise.allSettled(waiting);
          for (const chunk of chunks) guest.write(chunk);
          guest.end();
          const closed = await session.closed;
          if (closed !== undefined) expect(closed.code).toBe('GUEST_PROTOCOL');
          for (const end of await told) {
            if (end.status === 'fulfilled') continue;
            expect(isBlixardError(end.reason)).toBe(true);
            expect(['GUEST_PROTOCOL', 'VM_CRASHED', 'VM_BOOT_FAILED', 'GUEST_REFUSED']).toContain(
              end.reason.code,
            );
          }
          expect(clock.waiting).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });
});
