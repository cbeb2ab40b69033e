/** The frames, and that the agent's header says the same about them as the contract. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import {
  encodeExecSpec,
  encodeFrame,
  execSpecBytesMax,
  FrameDecoder,
  frameHeaderBytes,
  guestEntropyBytes,
  guestFrames,
  guestProtocolVersion,
  hostFrames,
  hostNameLength,
  stdinCreditBytes,
} from './guest.ts';

/** `helloReply` → `HELLO_REPLY` */
function constantName(name: string): string {
  return name.replace(/[A-Z]/g, '_$&').toUpperCase();
}

/** Every `NAME = number,` of the agent's header; a number may be a product. */
function readHeader(): Record<string, number> {
  const header = readFileSync(new URL('../../guest/protocol.h', import.meta.url), 'utf8');
  const entries = [...header.matchAll(/^\s+([A-Z_]+) = ([^,]+),$/gm)].map(([, name, value]) => {
    const number = (value ?? '').split('*').reduce((product, factor) => product * Number(factor), 1);
    return [name ?? '', number] as const;
  });
  return Object.fromEntries(entries);
}

describe('guest/protocol.h', () => {
  it('states the same numbers as the contract, and no others', () => {
    const frames = (prefix: string, types: Record<string, number>) =>
      Object.entries(types).map(([name, type]) => [`${prefix}_${constantName(name)}`, type] as const);
    const { STREAMS_MAX: streamsMax, PING_BYTES_MAX: pingBytesMax, ...header } = readHeader();
    expect(header).toEqual({
      PROTOCOL_VERSION: guestProtocolVersion,
      FRAME_HEADER_BYTES: frameHeaderBytes,
      FRAME_BYTES_MAX: limits.frameBytes,
      EXEC_SPEC_BYTES_MAX: execSpecBytesMax,
      STDIN_CREDIT_BYTES: stdinCreditBytes,
      STREAM_CREDIT_BYTES: limits.streamCreditBytes,
      ENTROPY_BYTES: guestEntropyBytes,
      HOST_NAME_LENGTH: hostNameLength,
      ...Object.fromEntries(frames('HOST', hostFrames)),
      ...Object.fromEntries(frames('GUEST', guestFrames)),
    });
    expect([streamsMax, pingBytesMax]).toEqual([64, 64]);
  });
});

const frame = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  streamId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

describe('frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 400 })), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((f) => encodeFrame(f.type, f.streamId, f.payload)));
        const decoder = new FrameDecoder();
        let at = 0;
        const decoded = [...cuts, bytes.length].flatMap((length) => {
          const chunk = bytes.subarray(at, at + length);
          at += length;
          return decoder.push(chunk);
        });
        expect(decoded.map((f) => ({ ...f, payload: Buffer.from(f.payload) }))).toEqual(frames);
      }),
    );
  });

  it('may be as long as the limit and not a byte longer, both ways', () => {
    const longest = encodeFrame(hostFrames.stdin, 1, Buffer.alloc(limits.frameBytes));
    expect(new FrameDecoder().push(longest)).toHaveLength(1);
    expect(() => encodeFrame(hostFrames.stdin, 1, Buffer.alloc(limits.frameBytes + 1))).toThrow(BlixardError);
    longest.writeUInt32LE(limits.frameBytes + 1);
    expect(() => new FrameDecoder().push(longest)).toThrow('a frame of 65537 bytes');
  });
});

describe('an exec spec', () => {
  it('has uid, counts and strings in this order', () => {
    const bytes = encodeExecSpec({ argv: ['a', ''], env: ['K=ü'], cwd: '/', uid: 7 });
    expect(bytes.toString('latin1')).toBe('\x07\0\0\0\x02\0\0\0\x01\0\0\0/\0a\0\0K=\u00c3\u00bc\0');
  });

  it.each([{ argv: ['a\0b'] }, { env: ['A=\0'] }, { cwd: '/\0' }])('refuses a NUL byte in %j', (part) => {
    const spec = { argv: ['a'], env: [], cwd: '/', uid: 0, ...part };
    expect(() => encodeExecSpec(spec)).toThrow('a NUL byte');
  });
});
